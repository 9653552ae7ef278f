#pragma once
// One message as it came, byte-exact and immutable, in RAM. CRLF line ends only (the gate saw to it; from_file converts
// LF). The header is seen as fields that view into the octets; the body only as a SealedBody: hashing and counting is
// not reading. A Message is shared (shared_ptr<const Message>) and thread-safe to read; views live as long as it does.
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/budget.h"
#include "base/core/result.h"

namespace sekisho::mail {

struct HeaderField {
  std::string_view raw;    // the whole field with its folds and final CRLF
  std::string_view name;   // before the colon, trailing WSP taken off; as written (compare with core::iequals). Empty
                           // for a junk line, for folds before the first field, and for ": value"
  std::string_view value;  // after the colon up to, without, the final CRLF: leading space and folds are kept
  bool space_before_colon = false;  // "From : x" (RFC 5322 section 4.5 obsolete syntax): mail readers differ on it
};

// Takes the body's octets span by span, for hashes, counts and copies into the next hop. Implemented by canonicalizers
// and writers.
class BodySink {
 public:
  virtual ~BodySink() = default;
  virtual void update(std::string_view octets) = 0;
};

// What identity and transfer see of the body. Decoded text needs a consent Grant and another type.
class SealedBody {
 public:
  std::size_t size() const { return octets_.size(); }
  void hash_into(BodySink& sink) const { sink.update(octets_); }
  void copy_to(BodySink& sink) const { sink.update(octets_); }

 private:
  friend class Message;
  std::string_view octets_;
};

enum class MessageError {
  kBareCr,      // a CR without LF
  kBareLf,      // an LF without CR (parse only)
  kTooComplex,  // the budget is empty, or the header has too many fields or lines
};

// Things about the header's shape that make readers disagree. They are facts, not errors: the message still parses.
struct HeaderShape {
  bool junk_line = false;  // a line that is neither a field nor a fold before the blank line; what follows is treated
                           // as body by some
  bool starts_with_fold = false;  // the first line begins with WSP
  bool no_blank_line = false;     // header runs to the end of the message
  bool nul = false;               // NUL in the header
  bool empty_name = false;        // ": value"
  bool odd_name = false;          // a field name with control or 8-bit octets (the field keeps it)
  bool blank_fold = false;        // a fold line of only WSP (obs-FWS): some readers end the header there
  bool over_long_line = false;    // a line over 998 octets
};

class Message {
 public:
  // The octets after dot-unstuffing, CRLF only.
  static core::Result<std::shared_ptr<const Message>, MessageError> parse(std::string octets, core::Budget& budget);
  // A file: LF line ends become CRLF, a leading mbox "From " line is dropped; a bare CR is still an error.
  static core::Result<std::shared_ptr<const Message>, MessageError> from_file(std::string octets, core::Budget& budget);

  // Their raw parts, one after the other, are header_octets(): junk lines are nameless fields.
  const std::vector<HeaderField>& fields() const { return fields_; }
  std::vector<const HeaderField*> all(std::string_view name) const;  // in order of the header, any letter case
  const HeaderField* first(std::string_view name) const;             // null when there is none
  const SealedBody& body() const { return body_; }
  const HeaderShape& shape() const { return shape_; }
  std::string_view header_octets() const {
    return std::string_view(octets_).substr(0, header_size_);
  }  // without the blank line
  std::size_t size() const { return octets_.size(); }
  std::size_t received_count() const;

 private:
  Message() = default;
  std::string octets_;
  std::size_t header_size_ = 0;
  std::vector<HeaderField> fields_;
  SealedBody body_;
  HeaderShape shape_;
};

// Of the first Message-ID, without blanks and angle brackets, printable, at most 512 characters; "" when there is none.
std::string message_id(const Message& message);

}  // namespace sekisho::mail
