#include "transfer/data_writer.h"

#include <algorithm>
#include <cstring>

#include "base/core/text.h"

namespace sekisho::transfer {

smtp::Reply reply_to(DataFault fault) {
  if (fault == DataFault::kField) return {451, "4.3.5", {"Internal error in a header field"}};
  return {554, "5.6.0", {"Message has a bare CR, a bare LF or a NUL"}};
}

core::Result<void, DataFault> DataWriter::append(std::string_view octets, std::string& out) {
  if (octets.find('\0') != std::string_view::npos) return core::error(DataFault::kNul);
  while (!octets.empty()) {
    if (after_cr_) {
      // RFC 5321 section 2.3.8: CR and LF only together.
      if (octets.front() != '\n') return core::error(DataFault::kBareCr);
      out += '\n';
      octets.remove_prefix(1);
      after_cr_ = false;
      at_line_start_ = true;
      continue;
    }
    // RFC 5321 section 4.5.2: a line that begins with a dot gets one more.
    if (at_line_start_ && form_ == Form::kDotStuffed && octets.front() == '.') out += '.';
    auto lines = take_lines(octets);
    if (!lines) return core::error(lines.error());
    out.append(*lines);
  }
  return {};
}

// All up to a line that needs a dot, a CR whose LF has not come, or the end; at least one octet.
core::Result<std::string_view, DataFault> DataWriter::take_lines(std::string_view& octets) {
  at_line_start_ = false;
  std::size_t end = 0;
  while (end < octets.size() && !after_cr_) {
    if (at_line_start_ && form_ == Form::kDotStuffed && octets[end] == '.') break;
    const std::size_t cr = std::min(octets.find('\r', end), octets.size());
    if (cr > end && std::memchr(octets.data() + end, '\n', cr - end)) return core::error(DataFault::kBareLf);
    after_cr_ = cr + 1 == octets.size();
    at_line_start_ = cr + 1 < octets.size();
    if (at_line_start_ && octets[cr + 1] != '\n') return core::error(DataFault::kBareCr);
    end = std::min(cr + 2, octets.size());
  }
  const std::string_view taken = octets.substr(0, end);
  octets.remove_prefix(end);
  return taken;
}

core::Result<void, DataFault> DataWriter::finish(std::string& out) {
  if (after_cr_) return core::error(DataFault::kBareCr);
  if (!at_line_start_) out += "\r\n";
  if (form_ == Form::kDotStuffed) out += ".\r\n";
  return {};
}

bool is_whole_field(std::string_view field) {
  if (field.ends_with("\r\n")) field.remove_suffix(2);
  const auto colon = field.find(':');
  if (colon == 0 || colon == std::string_view::npos) return false;
  if (!std::all_of(field.begin(), field.begin() + static_cast<std::ptrdiff_t>(colon),
                   [](char c) { return c > ' ' && c < 127; }))
    return false;
  for (std::size_t i = colon; i < field.size(); ++i) {
    if (field[i] == '\0' || field[i] == '\n') return false;
    if (field[i] != '\r') continue;
    if (i + 2 >= field.size() || field[i + 1] != '\n' || !core::is_wsp(field[i + 2])) return false;
    i += 2;
  }
  return true;
}

MessageStream::MessageStream(std::shared_ptr<const mail::Message> message, Edits edits, Form form)
    : message_(std::move(message)), edits_(std::move(edits)), writer_(form) {
  struct Gather final : mail::BodySink {
    MessageStream& stream;
    explicit Gather(MessageStream& to) : stream(to) {}
    void update(std::string_view octets) override { stream.add(octets); }
  };
  for (const std::string& field : edits_.prepend) {
    bad_field_ |= !is_whole_field(field);
    add(field);
    if (!field.ends_with("\r\n")) add("\r\n");
  }
  std::sort(edits_.drop.begin(), edits_.drop.end());
  for (const mail::HeaderField& field : message_->fields()) {
    if (!std::binary_search(edits_.drop.begin(), edits_.drop.end(), &field)) add(field.raw);
  }
  const std::size_t header = message_->header_octets().size();
  if (message_->size() - header > message_->body().size()) add("\r\n");  // the blank line
  Gather gather(*this);
  message_->body().copy_to(gather);
}

void MessageStream::add(std::string_view piece) {
  // Views stay valid: they look into the message and the edits, which this object holds.
  if (piece.empty()) return;
  size_ += piece.size();
  if (!pieces_.empty() && pieces_.back().data() + pieces_.back().size() == piece.data())
    pieces_.back() = {pieces_.back().data(), pieces_.back().size() + piece.size()};  // its neighbour in the message
  else
    pieces_.push_back(piece);
}

core::Result<bool, DataFault> MessageStream::next(std::string& out, std::size_t octets) {
  if (bad_field_) return core::error(DataFault::kField);
  const std::size_t target = out.size() + octets;
  while (piece_ < pieces_.size() && out.size() < target) {
    const std::string_view part = pieces_[piece_].substr(offset_, target - out.size());
    auto written = writer_.append(part, out);
    if (!written) return core::error(written.error());
    offset_ += part.size();
    if (offset_ < pieces_[piece_].size()) continue;
    ++piece_;
    offset_ = 0;
  }
  if (piece_ < pieces_.size()) return false;
  auto finished = writer_.finish(out);
  if (!finished) return core::error(finished.error());
  return true;
}

}  // namespace sekisho::transfer
