#include <map>
#include <mutex>

#include "road/connection/connection.h"

namespace sekisho::connection {

struct Patience::Impl {
  std::int64_t keep_ms;
  std::size_t most;
  mutable std::mutex mutex;
  std::map<core::IpAddress, std::int64_t> until_ms;

  static core::IpAddress key(const core::IpAddress& ip) { return ip.masked(ip.is_v4() ? 32 : 64); }
};

Patience::Patience(std::int64_t keep_ms, std::size_t most) : impl_(std::make_unique<Impl>()) {
  impl_->keep_ms = keep_ms;
  impl_->most = most;
}
Patience::~Patience() = default;

bool Patience::known(const core::IpAddress& ip, std::int64_t steady_ms) const {
  const std::lock_guard lock(impl_->mutex);
  const auto found = impl_->until_ms.find(Impl::key(ip));
  return found != impl_->until_ms.end() && steady_ms < found->second;
}

void Patience::note(const core::IpAddress& ip, std::int64_t steady_ms) {
  const std::lock_guard lock(impl_->mutex);
  auto& all = impl_->until_ms;
  if (all.size() >= impl_->most) std::erase_if(all, [&](const auto& one) { return one.second <= steady_ms; });
  if (all.size() >= impl_->most) all.clear();  // they wait once more
  all[Impl::key(ip)] = steady_ms + impl_->keep_ms;
}

void Patience::forget(const core::IpAddress& ip) {
  const std::lock_guard lock(impl_->mutex);
  impl_->until_ms.erase(Impl::key(ip));
}

}  // namespace sekisho::connection
