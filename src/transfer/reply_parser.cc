#include "transfer/reply_parser.h"

#include <algorithm>
#include <utility>

#include "base/core/text.h"

namespace sekisho::transfer {
namespace {
constexpr std::size_t kMaxIdOctets = 64;

bool id_octet(char c) { return core::is_alnum(c) || c == '-' || c == '_' || c == '.' || c == '+' || c == '/'; }

// The word at the front of text, when it can be an id: at least four octets, one of them a digit or a capital.
std::string id_at(std::string_view text) {
  const auto end = std::find_if_not(text.begin(), text.end(), id_octet);
  std::string id(text.begin(), end);
  while (!id.empty() && id.back() == '.') id.pop_back();
  const bool plausible =
      std::any_of(id.begin(), id.end(), [](char c) { return core::is_digit(c) || core::lower(c) != c; });
  return id.size() >= 4 && id.size() <= kMaxIdOctets && plausible ? id : std::string();
}
std::string id_after(std::string_view text, std::string_view marker) {
  const std::string lower = core::to_lower(text);
  const auto at = lower.find(marker);
  return at == std::string::npos ? std::string() : id_at(text.substr(at + marker.size()));
}
std::string id_before(std::string_view text, std::string_view marker) {
  const std::string lower = core::to_lower(text);
  const auto at = lower.find(marker);
  if (at == std::string::npos || at == 0) return {};
  const auto space = text.rfind(' ', at - 1);
  const std::size_t begin = space == std::string_view::npos ? 0 : space + 1;
  const std::string id = id_at(text.substr(begin, at - begin));
  return id.size() == at - begin ? id : std::string();
}
}  // namespace

ReplyParser::State ReplyParser::feed(std::string_view& input) {
  smtp::LineReader::Piece piece;
  while (lines_.next(input, piece)) {
    const smtp::LineFaults& faults = lines_.faults();
    if (faults.bare() || faults.nul || faults.too_long) return State::kBad;
    line_ += piece.octets;
    if (!piece.ends) continue;
    const State state = line_end();
    line_.clear();
    if (state != State::kMore) return state;
  }
  return State::kMore;
}

ReplyParser::State ReplyParser::line_end() {
  const auto in_range = [this](std::size_t i, char low, char high) { return line_[i] >= low && line_[i] <= high; };
  if (line_.size() < 3 || !in_range(0, '2', '5') || !in_range(1, '0', '9') || !in_range(2, '0', '9'))
    return State::kBad;
  const int code = (line_[0] - '0') * 100 + (line_[1] - '0') * 10 + (line_[2] - '0');
  // RFC 5321 section 4.2: the code alone, without text and space, is to be taken too.
  const char mark = line_.size() > 3 ? line_[3] : ' ';
  if (mark != ' ' && mark != '-') return State::kBad;
  // RFC 5321 section 4.2.1: all lines of one reply carry the same code.
  if (reply_.code != 0 && reply_.code != code) return State::kBad;
  if (reply_.lines.size() >= kMaxLines) return State::kBad;
  reply_.code = code;
  std::string_view text = std::string_view(line_).substr(std::min<std::size_t>(line_.size(), 4));
  const std::string_view enhanced = enhanced_code(text, code);
  if (!enhanced.empty()) {
    if (reply_.lines.empty()) reply_.enhanced = enhanced;
    text.remove_prefix(std::min(text.size(), enhanced.size() + 1));
  }
  reply_.lines.emplace_back(text);
  return mark == '-' ? State::kMore : State::kDone;
}

smtp::Reply ReplyParser::take() {
  // RFC 5321 section 3.8: the server closes after 421.
  reply_.close = reply_.code == 421;
  reply_.heard = true;
  return std::exchange(reply_, smtp::Reply{0, "", {}});
}

std::string_view enhanced_code(std::string_view text, int code) {
  const auto digits = [&text](std::size_t from) {
    std::size_t n = from;
    while (n < text.size() && n - from < 3 && core::is_digit(text[n])) ++n;
    return n - from;
  };
  if (text.size() < 5 || text[0] != static_cast<char>('0' + code / 100) || text[1] != '.') return {};
  const std::size_t subject = digits(2);
  if (subject == 0 || 2 + subject >= text.size() || text[2 + subject] != '.') return {};
  const std::size_t detail = digits(3 + subject);
  const std::size_t end = 3 + subject + detail;
  if (detail == 0 || (end < text.size() && text[end] != ' ')) return {};
  return text.substr(0, end);
}

std::string queue_id(const smtp::Reply& reply) {
  if (reply.code / 100 != 2) return {};
  for (const std::string& line : reply.lines) {
    for (const std::string_view marker : {"queued as ", "queued (", "queued: ", " id=", "(id ", "queue id: "})
      if (auto id = id_after(line, marker); !id.empty()) return id;
    for (const std::string_view marker : {" message accepted", " saved"})
      if (auto id = id_before(line, marker); !id.empty()) return id;
    if (core::istarts_with(line, "ok ") && line.find(" qp ") != std::string::npos) return line.substr(3, 64);
  }
  return {};
}

}  // namespace sekisho::transfer
