#include "road/connection/connection.h"

#include <boost/unordered/unordered_flat_map.hpp>
#include <mutex>

namespace sekisho::connection {

namespace {

constexpr std::int64_t kHourMs = 3'600'000;
constexpr std::size_t kShards = 64;

// A sliding hour from two halves of what was counted: this hour's and the share of the last that still counts.
struct Window {
  std::int64_t hour = -1;
  std::uint64_t now = 0, before = 0;

  void turn(std::int64_t ms) {
    const std::int64_t h = ms / kHourMs;
    if (h == hour) return;
    before = h == hour + 1 ? now : 0;
    now = 0;
    hour = h;
  }
  std::uint64_t count(std::int64_t ms) const {
    const std::int64_t h = ms / kHourMs;
    const std::uint64_t left = static_cast<std::uint64_t>(kHourMs - ms % kHourMs);
    if (h == hour) return now + before * left / kHourMs;
    return h == hour + 1 ? now * left / kHourMs : 0;
  }
};

enum Counted : std::size_t { kMails, kRecipients, kUnknown, kCounted };

struct Source {
  std::uint64_t sessions = 0;
  std::array<Window, kCounted> windows;
  bool idle(std::int64_t ms) const {
    if (sessions) return false;
    for (const auto& w : windows)
      if (w.count(ms)) return false;
    return true;
  }
};

struct Shard {
  mutable std::mutex mutex;
  boost::unordered_flat_map<std::string, Source> sources;
};

std::string ip_key(const core::IpAddress& ip) { return {reinterpret_cast<const char*>(ip.octets().data()), 16}; }
std::string prefix_key(const core::IpAddress& ip) { return "p" + ip_key(ip.masked(ip.is_v4() ? 24 : 64)); }

}  // namespace

std::string_view word(Limit limit) {
  switch (limit) {
    case Limit::kNone:
      return "";
    case Limit::kIpSessions:
      return "limit_ip_sessions";
    case Limit::kPrefixSessions:
      return "limit_prefix_sessions";
    case Limit::kIpMails:
      return "limit_ip_mails";
    case Limit::kPrefixMails:
      return "limit_prefix_mails";
    case Limit::kDomainMails:
      return "limit_domain_mails";
    case Limit::kIpRecipients:
      return "limit_ip_recipients";
    case Limit::kPrefixRecipients:
      return "limit_prefix_recipients";
    case Limit::kDomainRecipients:
      return "limit_domain_recipients";
    case Limit::kIpUnknown:
      return "dha";
    case Limit::kPrefixUnknown:
      return "dha_prefix";
  }
  return "";
}

struct Limits::Impl {
  mutable std::mutex settings_mutex;
  std::shared_ptr<const Settings> in_force;
  std::size_t most_per_shard;
  std::array<Shard, kShards> shards;

  Shard& shard(const std::string& key) { return shards[std::hash<std::string>()(key) % kShards]; }

  // One question asks one set of limits from its beginning to its end.
  std::shared_ptr<const Settings> settings() const {
    const std::lock_guard lock(settings_mutex);
    return in_force;
  }

  static bool exempt(const Settings& settings, const core::IpAddress& ip) { return core::in_any(settings.exempt, ip); }

  // Under a flood of sources the idle ones go; when none is idle, an arbitrary one without sessions goes.
  void make_room(Shard& s, std::int64_t ms) {
    if (s.sources.size() < most_per_shard) return;
    boost::unordered::erase_if(s.sources, [&](const auto& item) { return item.second.idle(ms); });
    for (auto it = s.sources.begin(); it != s.sources.end() && s.sources.size() >= most_per_shard;) {
      const auto current = it++;
      if (!current->second.sessions) s.sources.erase(current);
    }
  }

  bool take(const std::string& key, Counted what, std::uint64_t amount, std::uint64_t limit, std::int64_t ms) {
    if (!limit) return true;
    Shard& s = shard(key);
    const std::lock_guard lock(s.mutex);
    make_room(s, ms);
    Window& w = s.sources[key].windows[what];
    w.turn(ms);
    if (w.count(ms) + amount > limit) return false;
    w.now += amount;
    return true;
  }

  void give_back(const std::string& key, Counted what, std::uint64_t amount) {
    Shard& s = shard(key);
    const std::lock_guard lock(s.mutex);
    const auto it = s.sources.find(key);
    if (it != s.sources.end()) it->second.windows[what].now -= std::min(it->second.windows[what].now, amount);
  }

  bool take_session(const std::string& key, std::uint64_t limit) {
    Shard& s = shard(key);
    const std::lock_guard lock(s.mutex);
    Source& source = s.sources[key];
    if (limit && source.sessions >= limit) return false;
    ++source.sessions;
    return true;
  }
  void end_session(const std::string& key) {
    Shard& s = shard(key);
    const std::lock_guard lock(s.mutex);
    const auto it = s.sources.find(key);
    if (it == s.sources.end()) return;
    if (it->second.sessions) --it->second.sessions;
    bool counted = false;
    for (const auto& w : it->second.windows) counted |= w.hour >= 0;
    if (!it->second.sessions && !counted) s.sources.erase(it);
  }

  // Both the address and its prefix must have room; what the first gave is returned when the second refuses.
  Limit take_both(const Settings& settings, const core::IpAddress& ip, Counted what, std::uint64_t ip_limit,
                  std::uint64_t prefix_limit, Limit ip_word, Limit prefix_word, std::int64_t ms) {
    if ((!ip_limit && !prefix_limit) || exempt(settings, ip)) return Limit::kNone;
    const std::string key = ip_key(ip);
    if (!take(key, what, 1, ip_limit, ms)) return ip_word;
    if (take(prefix_key(ip), what, 1, prefix_limit, ms)) return Limit::kNone;
    if (ip_limit) give_back(key, what, 1);
    return prefix_word;
  }

  bool reached(const std::string& key, std::uint64_t limit, std::int64_t ms) {
    if (!limit) return false;
    Shard& s = shard(key);
    const std::lock_guard lock(s.mutex);
    const auto it = s.sources.find(key);
    return it != s.sources.end() && it->second.windows[kUnknown].count(ms) >= limit;
  }
};

Limits::Limits(Settings settings, std::size_t most_keys) : impl_(std::make_unique<Impl>()) {
  impl_->in_force = std::make_shared<const Settings>(std::move(settings));
  impl_->most_per_shard = std::max<std::size_t>(16, most_keys / kShards);
}
void Limits::reload(Settings settings) {
  auto next = std::make_shared<const Settings>(std::move(settings));
  const std::lock_guard lock(impl_->settings_mutex);
  impl_->in_force.swap(next);
}
Limits::~Limits() = default;

Limits::Place::~Place() {
  if (!limits_) return;
  limits_->impl_->end_session(ip_key(ip_));
  limits_->impl_->end_session(prefix_key(ip_));
}

std::pair<Limits::Place, Limit> Limits::open_session(const core::IpAddress& ip) {
  Place place;
  const auto settings = impl_->settings();
  const Settings& s = *settings;
  if ((!s.ip_sessions && !s.prefix_sessions) || Impl::exempt(s, ip)) return {std::move(place), Limit::kNone};
  if (!impl_->take_session(ip_key(ip), s.ip_sessions)) return {std::move(place), Limit::kIpSessions};
  if (!impl_->take_session(prefix_key(ip), s.prefix_sessions)) {
    impl_->end_session(ip_key(ip));
    return {std::move(place), Limit::kPrefixSessions};
  }
  place.limits_ = this;
  place.ip_ = ip;
  return {std::move(place), Limit::kNone};
}

Limit Limits::take_mail(const core::IpAddress& ip, std::int64_t ms) {
  const auto settings = impl_->settings();
  const Settings& s = *settings;
  return impl_->take_both(s, ip, kMails, s.ip_mails, s.prefix_mails, Limit::kIpMails, Limit::kPrefixMails, ms);
}

Limit Limits::take_recipient(const core::IpAddress& ip, std::int64_t ms) {
  const auto settings = impl_->settings();
  const Settings& s = *settings;
  return impl_->take_both(s, ip, kRecipients, s.ip_recipients, s.prefix_recipients, Limit::kIpRecipients,
                          Limit::kPrefixRecipients, ms);
}

Limit Limits::note_unknown(const core::IpAddress& ip, std::int64_t ms) {
  const auto settings = impl_->settings();
  const Settings& s = *settings;
  return impl_->take_both(s, ip, kUnknown, s.ip_unknown, s.prefix_unknown, Limit::kIpUnknown, Limit::kPrefixUnknown,
                          ms);
}

bool Limits::exempt(const core::IpAddress& ip) const { return Impl::exempt(*impl_->settings(), ip); }

Limit Limits::harvesting(const core::IpAddress& ip, std::int64_t ms) const {
  const auto settings = impl_->settings();
  const Settings& s = *settings;
  if (Impl::exempt(s, ip)) return Limit::kNone;
  if (impl_->reached(ip_key(ip), s.ip_unknown, ms)) return Limit::kIpUnknown;
  return impl_->reached(prefix_key(ip), s.prefix_unknown, ms) ? Limit::kPrefixUnknown : Limit::kNone;
}

Limit Limits::take_domain(const std::string& domain, std::uint64_t recipients, std::int64_t ms) {
  const std::string key = "d" + domain;
  const auto settings = impl_->settings();
  const Settings& s = *settings;
  if (!impl_->take(key, kMails, 1, s.domain_mails, ms)) return Limit::kDomainMails;
  if (impl_->take(key, kRecipients, recipients, s.domain_recipients, ms)) return Limit::kNone;
  if (s.domain_mails) impl_->give_back(key, kMails, 1);
  return Limit::kDomainRecipients;
}

}  // namespace sekisho::connection
