#include "road/verdict/verdict.h"

namespace sekisho::verdict {
namespace {

std::string key(const core::IpAddress& ip, const std::string& domain) {
  return ip.masked(ip.is_v4() ? 24 : 64).text() + " " + domain;
}

}  // namespace

TempErrorMemory::TempErrorMemory(std::size_t most, std::int64_t forget_s)
    : most_(most > 0 ? most : 1), forget_s_(forget_s) {}

std::int64_t TempErrorMemory::age_s(const core::IpAddress& ip, const std::string& domain, std::int64_t now_s) {
  std::string name = key(ip, domain);
  const std::lock_guard lock(mutex_);
  if (const auto at = entries_.find(name); at != entries_.end()) {
    Entry& entry = at->second;
    if (now_s - entry.last_s > forget_s_ || now_s < entry.first_s) entry.first_s = now_s;
    entry.last_s = now_s;
    order_.splice(order_.begin(), order_, entry.place);
    return now_s - entry.first_s;
  }
  if (entries_.size() >= most_) {
    entries_.erase(order_.back());
    order_.pop_back();
  }
  order_.push_front(name);
  entries_.emplace(std::move(name), Entry{now_s, now_s, order_.begin()});
  return 0;
}

void TempErrorMemory::resolved(const core::IpAddress& ip, const std::string& domain) {
  const std::lock_guard lock(mutex_);
  const auto at = entries_.find(key(ip, domain));
  if (at == entries_.end()) return;
  order_.erase(at->second.place);
  entries_.erase(at);
}

std::size_t TempErrorMemory::size() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

}  // namespace sekisho::verdict
