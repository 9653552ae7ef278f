#include "mail/smtp/data_reader.h"

#include <algorithm>
#include <cstring>

namespace sekisho::smtp {
namespace {
constexpr std::uint64_t kFirstBlock = 16u << 10;
constexpr std::uint64_t kMaxHint = 256u << 10;

bool is_line_end(char c) { return c == '\r' || c == '\n'; }
}  // namespace

DataReader::DataReader(const DataLimits& limits, OctetLease lease, std::uint64_t size_hint)
    : limits_(limits), lines_(limits.line_bytes), lease_(std::move(lease)), size_hint_(std::min(size_hint, kMaxHint)) {}

bool DataReader::feed(std::string_view& input) {
  LineReader::Piece piece;
  bool in_bulk = true;
  while (!input.empty()) {
    if (in_bulk) in_bulk = take_clean_lines(input);
    if (input.empty()) return false;
    const std::string_view before = input;
    lines_.next(input, piece);
    const std::string_view taken = before.substr(0, before.size() - input.size());
    seen_ += taken.size();
    note_faults();
    line_piece(piece.octets);
    if (piece.ends) {
      // RFC 5321 section 4.1.1.4: only <CRLF>.<CRLF> ends the data; a line with any other octet is not the end.
      if (place_ == Place::kDot) return true;
      line_end();
    }
    remember(taken);
    if (endless()) return false;
  }
  return false;
}

void DataReader::expect_chunk(std::uint64_t octets) {
  if (octets > limits_.size_bytes - std::min(size_, limits_.size_bytes)) fail(DataFault::kTooBig);
}

void DataReader::feed_chunk(std::string_view octets) {
  seen_ += octets.size();
  LineReader::Piece piece;
  while (lines_.next(octets, piece)) {
    note_faults();
    place_ = piece.ends ? Place::kStart : Place::kRest;
    store(piece.octets);
    if (piece.ends) store("\r\n");
  }
}

void DataReader::finish_chunks() {
  if (lines_.holds_cr()) fail(DataFault::kBareLineEnd);
  // RFC 3030 lets a message end anywhere; what reads and relays it further wants whole lines.
  if (place_ != Place::kStart) store("\r\n");
}

void DataReader::note_faults() {
  const LineFaults& faults = lines_.faults();
  if (faults.bare()) fail(DataFault::kBareLineEnd);
  if (faults.nul) fail(DataFault::kNul);
  if (faults.too_long) fail(DataFault::kLineTooLong);
}

// Whole lines without a fault or a leading dot, which is what mails are made of, are stored in one go. False when it is
// not worth to try again with this input: each octet of it is looked at once, however it is made.
bool DataReader::take_clean_lines(std::string_view& input) {
  if (fault_ != DataFault::kNone || place_ != Place::kStart || !lines_.at_start()) return true;
  std::size_t end = 0;
  while (end < input.size() && input[end] != '.') {
    const std::size_t cr = input.find('\r', end);
    if (cr == std::string_view::npos || cr + 1 == input.size() || input[cr + 1] != '\n') break;
    if (cr + 2 - end > limits_.line_bytes) break;
    if (cr > end && std::memchr(input.data() + end, '\n', cr - end)) break;
    end = cr + 2;
  }
  if (end == 0) return true;
  const std::string_view lines = input.substr(0, end);
  if (lines.find('\0') != std::string_view::npos || seen_ + end > limits_.discard_bytes) return false;
  seen_ += end;
  store(lines);
  remember(lines);
  input.remove_prefix(end);
  return true;
}

void DataReader::line_piece(std::string_view octets) {
  if (octets.empty()) {
    // An over-long line gives no octets any more; it is surely past its first one.
    if (lines_.faults().too_long) place_ = Place::kRest;
    return;
  }
  if (place_ == Place::kStart && octets[0] == '.') {
    // RFC 5321 section 4.5.2: the first period of a line is deleted when other characters follow.
    place_ = Place::kDot;
    octets.remove_prefix(1);
    if (octets.empty()) return;
  }
  place_ = Place::kRest;
  store(octets);
}

void DataReader::line_end() {
  store("\r\n");
  place_ = Place::kStart;
}

void DataReader::store(std::string_view octets) {
  size_ += octets.size();
  if (size_ > limits_.size_bytes) fail(DataFault::kTooBig);
  if (fault_ != DataFault::kNone) return;
  if (size_ > octets_.capacity()) {
    // Nothing is held before octets come. A promised size saves copies, but it is believed only after a first block and
    // not beyond a modest one: a client that promises and stalls must not take the others' room.
    std::uint64_t grown = std::max(kFirstBlock, std::min<std::uint64_t>(octets_.capacity() * 2, limits_.size_bytes));
    if (octets_.capacity() >= kFirstBlock) grown = std::max(grown, size_hint_);
    grown = std::max(grown, size_);
    if (!lease_.grow_to(grown)) return fail(DataFault::kNoMemory);
    octets_.reserve(grown);
  }
  octets_.append(octets);
}

void DataReader::fail(DataFault fault) {
  if (fault <= fault_) return;
  fault_ = fault;
  std::string().swap(octets_);
  lease_.release();
}

void DataReader::remember(std::string_view octets) {
  constexpr std::size_t kSize = sizeof tail_;
  if (octets.size() < kSize) {
    std::memmove(tail_, tail_ + octets.size(), kSize - octets.size());
    std::memcpy(tail_ + kSize - octets.size(), octets.data(), octets.size());
  } else {
    std::memcpy(tail_, octets.data() + octets.size() - kSize, kSize);
  }
}

bool DataReader::looks_ended() const {
  if (fault_ != DataFault::kBareLineEnd) return false;
  int i = sizeof tail_ - 1;
  if (!is_line_end(tail_[i])) return false;
  while (i > 1 && is_line_end(tail_[i])) --i;
  return tail_[i] == '.' && is_line_end(tail_[i - 1]);
}

}  // namespace sekisho::smtp
