#pragma once
// Part of the door transfer.h: what a next hop offers.
#include <cstdint>
#include <mutex>
#include <optional>

namespace sekisho::transfer {

enum XforwardAttribute : std::uint32_t {
  kXforwardName = 1,
  kXforwardAddr = 2,
  kXforwardPort = 4,
  kXforwardProto = 8,
  kXforwardHelo = 16,
  kXforwardIdent = 32,
  kXforwardSource = 64,
};

// What the last EHLO or LHLO offered. A Maildir takes everything.
struct Capabilities {
  bool pipelining = false, eight_bit_mime = false, smtp_utf8 = false, dsn = false, starttls = false;
  bool require_tls = false;                                          // RFC 8689
  bool proven = false;                                               // said under TLS, by whom the certificate proves
  std::optional<std::uint64_t> size_limit_bytes;                     // SIZE with a number above 0
  std::optional<std::uint32_t> mail_max, rcpt_max, rcpt_domain_max;  // RFC 9422
  std::uint32_t xforward = 0;                                        // bits of XforwardAttribute
};

// What a next hop offered last, known to all loops; thread-safe.
class Offer {
 public:
  std::optional<Capabilities> get() const {
    const std::lock_guard guard(lock_);
    return last_;
  }
  void set(const Capabilities& offered) {
    const std::lock_guard guard(lock_);
    last_ = offered;
  }

 private:
  mutable std::mutex lock_;
  std::optional<Capabilities> last_;
};

}  // namespace sekisho::transfer
