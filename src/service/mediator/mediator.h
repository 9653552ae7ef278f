#pragma once
// The mediator: tells an MTA that forwards which return path to send with (SRS), and whom a bounce is for. It speaks
// what Postfix and Sendmail ask maps with: socketmap (netstrings) and tcp_table. Nothing of the mail is seen but the
// one address. How an MTA is told to ask: docs/mediator.md.
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/clock.h"
#include "base/core/network.h"
#include "base/core/result.h"
#include "base/io/io.h"
#include "mail/address/address.h"
#include "mail/srs/srs.h"

namespace sekisho::mediator {

enum class Direction : std::uint8_t { kForward, kReverse };

// What became of one question. The first three answer with an address, the others leave it as it is.
enum class Outcome : std::uint8_t {
  kForwarded,  // forward: an SRS0 of ours
  kWrapped,    // forward: an SRS0 or SRS1 of another became our SRS1
  kRestored,   // reverse: the address before
  kNull,       // the null return path, never rewritten (RFC 5321 section 4.5.5: a bounce must not be answered)
  kOwn,        // forward: a domain of ours or an excluded one
  kAddress,    // nothing that can be rewritten: no domain, a literal, syntax
  kTooLong,    // the result would be over 254 octets
  kForeign,    // reverse: not under srs_domain
  kNotSrs,     // reverse: an ordinary recipient under srs_domain
  kMalformed,  // reverse: fields are missing
  kHash,       // reverse: not made by us
  kExpired,    // reverse: made by us, too long ago
  kCount,
};
std::string_view word(Outcome outcome);  // "forwarded" "wrapped" ...

// Immutable; a reload puts another in its place.
struct Policy {
  std::shared_ptr<const srs::Rewriter> rewriter;
  std::optional<mail::Domain> srs_domain;   // always there
  std::set<mail::Domain> kept, kept_below;  // senders whose return path stays; kept_below: subdomains, not itself
};
struct Answer {
  Outcome outcome;
  std::string address;  // empty: stays as it is
  bool old_secret = false;
};
// Pure. key: an address as the MTA has it, any octets.
Answer answer(const Policy& policy, Direction direction, std::string_view key, std::int64_t now_s);

enum class End : std::uint8_t {
  kClosed,     // by the MTA
  kIdle,       // nothing asked for idle_ms
  kSlow,       // a question or its answer took longer than request_ms
  kMalformed,  // not the protocol of this port
  kTooLarge,   // a question over 16 KiB (tcp_table: 4,096 octets)
  kLost,       // reset, or the server ends
  kCount,
};
std::string_view word(End end);

class Meter {
 public:
  virtual ~Meter() = default;
  virtual void asked(const Answer& answer) = 0;
  virtual void ended(End end) = 0;
  virtual void turned_away(std::string_view why) = 0;  // "full" "not_allowed"
};

struct Doors {
  std::vector<io::Endpoint> socketmap, tcp_forward, tcp_reverse;
  std::string unix_socketmap;  // a path; empty: none. Mode 0666: who may use it is said by its folder
  bool any() const {
    return !socketmap.empty() || !tcp_forward.empty() || !tcp_reverse.empty() || !unix_socketmap.empty();
  }
};
struct Limits {
  std::size_t sessions = 256;
  std::int64_t idle_ms = 600'000, request_ms = 10'000;
  std::vector<core::Network> from;  // who may connect by TCP
};

// On the loop of start(). The clock and the meter outlive it.
class Mediator {
 public:
  // A failure names the door and the reason.
  static core::Result<std::unique_ptr<Mediator>, std::string> start(const Doors& doors, Limits limits,
                                                                    std::shared_ptr<const Policy> policy,
                                                                    const core::Clock& clock, Meter& meter);
  ~Mediator();
  // From the next question on, on open connections too.
  void reload(std::shared_ptr<const Policy> policy, Limits limits);
  // Accepts no more; connections end when what was asked on them is answered. True when all have before the deadline.
  core::Task<bool> drain(std::int64_t deadline_ms);
  std::vector<std::string> addresses() const;  // as bound: "socketmap 127.0.0.1:10003"
  std::size_t sessions() const;

 private:
  struct Impl;
  explicit Mediator(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace sekisho::mediator
