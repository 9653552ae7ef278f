#pragma once
// The first stage: how much one source may send. Limits count per IP address, per prefix (/24, /64) and per proven
// domain, in sliding hours across all sessions and loops. A refused amount is not counted. Thread-safe (sharded locks);
// memory is bounded: the oldest keys go first.
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/core/ip_address.h"
#include "base/core/network.h"

namespace sekisho::connection {

using core::Network;

// 0 everywhere: no limit.
struct Settings {
  std::vector<Network> exempt;
  std::uint64_t ip_sessions = 0, prefix_sessions = 0;
  std::uint64_t ip_mails = 0, prefix_mails = 0, domain_mails = 0;
  std::uint64_t ip_recipients = 0, prefix_recipients = 0, domain_recipients = 0;
  std::uint64_t ip_unknown = 0, prefix_unknown = 0;
};

// Which limit stood in the way; its word is the finding code.
enum class Limit : std::uint8_t {
  kNone,
  kIpSessions,
  kPrefixSessions,
  kIpMails,
  kPrefixMails,
  kDomainMails,
  kIpRecipients,
  kPrefixRecipients,
  kDomainRecipients,
  kIpUnknown,
  kPrefixUnknown
};
std::string_view word(Limit limit);

class Limits {
 public:
  explicit Limits(Settings settings, std::size_t most_keys = 1'000'000);
  ~Limits();
  void reload(Settings settings);  // what was counted stays counted; a session's place is given back as it was taken

  // Holds one session's place; gives it back when destroyed.
  class Place {
   public:
    Place() = default;
    Place(Place&& other) noexcept : limits_(std::exchange(other.limits_, nullptr)), ip_(other.ip_) {}
    Place& operator=(Place&&) = delete;
    ~Place();

   private:
    friend class Limits;
    Limits* limits_ = nullptr;
    core::IpAddress ip_;
  };
  std::pair<Place, Limit> open_session(const core::IpAddress& ip);

  Limit take_mail(const core::IpAddress& ip, std::int64_t steady_ms);
  Limit take_recipient(const core::IpAddress& ip, std::int64_t steady_ms);
  // Counts an unknown recipient; tells when the source has asked for too many.
  Limit note_unknown(const core::IpAddress& ip, std::int64_t steady_ms);
  Limit harvesting(const core::IpAddress& ip, std::int64_t steady_ms) const;  // the same question without counting
  Limit take_domain(const std::string& proven_domain, std::uint64_t recipients, std::int64_t steady_ms);
  bool exempt(const core::IpAddress& ip) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Addresses (IPv6: /64) that waited through the pause before the greeting, so that they need not again for a while.
// Bounded, thread-safe, in RAM only.
class Patience {
 public:
  explicit Patience(std::int64_t keep_ms = 24 * 3'600'000, std::size_t most = 200'000);
  ~Patience();
  bool known(const core::IpAddress& ip, std::int64_t steady_ms) const;
  void note(const core::IpAddress& ip, std::int64_t steady_ms);
  void forget(const core::IpAddress& ip);  // it spoke too early after all

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sekisho::connection
