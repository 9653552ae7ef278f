#pragma once
// Collects a message: what follows DATA up to CRLF.CRLF, and only that (RFC 5321 section 4.1.1.4), with the dots
// unstuffed; or counted octets of chunks (RFC 3030), in which a dot is a dot. After a fault nothing is stored any more,
// but the octets are read on to the true end: none of them can become a command.
#include <cstdint>
#include <string>
#include <string_view>

#include "mail/smtp/line_reader.h"
#include "mail/smtp/octet_pool.h"

namespace sekisho::smtp {

// In rising order: where a message has several, the last one is told.
enum class DataFault : unsigned char {
  kNone,
  kNoMemory,  // the pool is empty
  kTooBig,    // over the size limit
  kLineTooLong,
  kNul,
  kBareLineEnd,  // a bare CR or LF
};

struct DataLimits {
  std::uint64_t size_bytes = 10u << 20;
  std::uint64_t line_bytes = 1u << 20;
  std::uint64_t discard_bytes = 256u << 20;  // how much is read in all before the session ends instead
};

class DataReader {
 public:
  // size_hint: what SIZE= promised, 0 when nothing did. Nothing is leased before octets come.
  DataReader(const DataLimits& limits, OctetLease lease, std::uint64_t size_hint);
  // Takes octets from the front of input, none behind the end. True once the end was seen.
  bool feed(std::string_view& input);
  // The other way: a chunk of so many octets is announced, then comes in pieces; finish_chunks() ends the message and,
  // where it is open, its last line.
  void expect_chunk(std::uint64_t octets);
  void feed_chunk(std::string_view octets);
  void finish_chunks();
  DataFault fault() const { return fault_; }
  bool endless() const { return seen_ > limits_.discard_bytes; }
  bool would_be_endless(std::uint64_t more) const {
    return seen_ > limits_.discard_bytes || more > limits_.discard_bytes - seen_;
  }
  // The message has bare line ends and its last octets are a lone dot between line ends of any kind: the client may
  // believe that it has ended and wait.
  bool looks_ended() const;
  std::uint64_t seen() const { return seen_; }
  std::string take_octets() { return std::move(octets_); }
  OctetLease take_lease() { return std::move(lease_); }

 private:
  enum class Place : unsigned char { kStart, kDot, kRest };
  void note_faults();
  bool take_clean_lines(std::string_view& input);
  void line_piece(std::string_view octets);
  void line_end();
  void store(std::string_view octets);
  void fail(DataFault fault);
  void remember(std::string_view octets);

  DataLimits limits_;
  LineReader lines_;
  OctetLease lease_;
  std::string octets_;
  std::uint64_t size_hint_;
  std::uint64_t seen_ = 0;
  std::uint64_t size_ = 0;  // of the message, stored or not
  DataFault fault_ = DataFault::kNone;
  Place place_ = Place::kStart;
  char tail_[4] = {'\0', '\0', '\r', '\n'};  // the last octets, newest last; DATA itself ended with CRLF
};

}  // namespace sekisho::smtp
