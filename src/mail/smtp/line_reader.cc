#include "mail/smtp/line_reader.h"

#include <cstring>

namespace sekisho::smtp {
namespace {
bool contains(std::string_view octets, char c) {
  return !octets.empty() && std::memchr(octets.data(), c, octets.size()) != nullptr;
}
}  // namespace

void LineReader::note(Piece& piece, std::string_view octets) {
  length_ += octets.size() + (piece.ends ? 2 : 0);
  if (length_ > limit_) faults_.too_long = true;
  if (contains(octets, '\r')) faults_.bare_cr = true;
  if (contains(octets, '\0')) faults_.nul = true;
  piece.octets = faults_.too_long ? std::string_view() : octets;
}

bool LineReader::next(std::string_view& input, Piece& piece) {
  piece = {};
  if (input.empty()) return false;
  if (ended_) {
    ended_ = false;
    faults_ = {};
    length_ = 0;
  }
  if (holds_cr_) {
    holds_cr_ = false;
    if (input.front() == '\n') {
      input.remove_prefix(1);
      piece.ends = ended_ = true;
      note(piece, {});
    } else {
      note(piece, "\r");
    }
    return true;
  }
  const void* lf = std::memchr(input.data(), '\n', input.size());
  const std::size_t end = lf ? static_cast<std::size_t>(static_cast<const char*>(lf) - input.data()) : input.size();
  std::string_view text = input.substr(0, end);
  const bool cr_last = !text.empty() && text.back() == '\r';
  if (cr_last) text.remove_suffix(1);
  if (lf && !cr_last) {
    text = input.substr(0, end + 1);
    faults_.bare_lf = true;
  }
  piece.ends = ended_ = lf && cr_last;
  holds_cr_ = !lf && cr_last;
  input.remove_prefix(lf ? end + 1 : end);
  note(piece, text);
  return true;
}

}  // namespace sekisho::smtp
