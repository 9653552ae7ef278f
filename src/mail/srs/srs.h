#pragma once
// The Sender Rewriting Scheme, SRS0 and SRS1 in their guarded form, octet for octet as Mail::SRS 0.31 makes them. A
// forwarder takes a return path under its own domain (forward), and gives bounces to it back (reverse). Nothing is
// stored: an HMAC-SHA1 in the address says that we made it.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"

namespace sekisho::srs {

// What Mail::SRS has when nothing is set.
inline constexpr std::size_t kHashLength = 4, kHashMost = 27;
inline constexpr std::int64_t kMaxAgeDays = 21, kMaxAgeMost = 1023;  // day stamps come again after 1,024 days
inline constexpr std::size_t kAddressMost = 254;                     // RFC 5321 section 4.5.3.1.3, without brackets

struct Options {
  std::size_t hash_length = kHashLength;  // base64 characters made, and the least that are believed; 1..27
  char separator = '=';                   // behind SRS0 and SRS1: one of = + -
  std::int64_t max_age_days = kMaxAgeDays;
};

enum class SrsError : std::uint8_t {
  kAddress,    // no address: no '@', no local part, octets that none may have, a host that is no domain name
  kTooLong,    // the result would be over 254 octets. A local part over 64 is no error: docs/mediator.md says why
  kNotSrs,     // reverse: begins neither with SRS0 nor with SRS1
  kMalformed,  // reverse: fields are missing or cannot be ours
  kHash,       // reverse: none of our secrets made it
  kExpired,    // reverse: older than max_age_days, or of a day to come
};
std::string_view word(SrsError error);  // "address" "too_long" "not_srs" "malformed" "hash" "expired"

// Two halves of an address. local: as a program sees it, without the quotes it may need on the wire.
struct Mailbox {
  std::string local, host;
  std::string text() const { return local + "@" + host; }
};
enum class Form : std::uint8_t { kUnchanged, kSrs0, kSrs1 };
struct Forwarded {
  Mailbox mailbox;
  Form form;  // kUnchanged: it is under the alias already
};
struct Reversed {
  Mailbox mailbox;
  Form form;
  std::size_t secret;     // which of ours made it; 0 signs now
  std::int64_t age_days;  // of an SRS0; 0 for SRS1, which has no day stamp
};

// Immutable and thread-safe. Takes no time that depends on where a hash differs.
class Rewriter {
 public:
  // The first secret signs, all verify. At least one.
  Rewriter(std::vector<std::string> secrets, Options options);
  ~Rewriter();  // wipes them
  Rewriter(const Rewriter&) = delete;
  Rewriter& operator=(const Rewriter&) = delete;

  // An SRS0 of another forwarder becomes an SRS1, and an SRS1 an SRS1 of ours that names the same first forwarder. What
  // only looks like an SRS1 (no fields, no domain name in it) is wrapped as any other local part.
  core::Result<Forwarded, SrsError> forward(const Mailbox& sender, std::string_view alias, std::int64_t now_s) const;
  // The host is not looked at: the hash says whether it is ours. An SRS1 gives the SRS0 at the first forwarder.
  core::Result<Reversed, SrsError> reverse(const Mailbox& address, std::int64_t now_s) const;
  std::size_t secrets() const { return secrets_.size(); }

 private:
  std::string hash(const std::string& secret, std::string_view fields) const;
  std::optional<std::size_t> maker(std::string_view hash, std::string_view fields) const;
  core::Result<Reversed, SrsError> reverse0(std::string_view rest, std::int64_t now_s) const;
  core::Result<Reversed, SrsError> reverse1(std::string_view rest) const;
  std::vector<std::string> secrets_;
  Options options_;
};

// Text as Mail::SRS takes it: the halves of the last '@', quotes and all. kAddress for an '@' in the local part.
core::Result<Mailbox, SrsError> split_plain(std::string_view text);
// Text as it stands in SMTP (RFC 5321 section 4.1.2): a quoted local part loses its quotes, and gets them again where
// it needs them. Japanese carriers' `a..b.@docomo.ne.jp` stays without. A quoted SRS address is a different text than
// Mail::SRS makes, which puts the quotes into the middle of the new local part: no server takes that.
struct WireMailbox {
  Mailbox mailbox;
  bool quoted = false;
};
core::Result<WireMailbox, SrsError> from_wire(std::string_view text);
std::string to_wire(const Mailbox& mailbox, bool was_quoted);

}  // namespace sekisho::srs
