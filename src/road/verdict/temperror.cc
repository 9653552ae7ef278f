#include <algorithm>

#include "base/core/text.h"
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
  ++changes_;
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
  ++changes_;
}

std::string TempErrorMemory::text(std::int64_t now_s) const {
  const std::lock_guard lock(mutex_);
  std::string out;
  for (auto name = order_.rbegin(); name != order_.rend(); ++name) {
    const Entry& entry = entries_.at(*name);
    if (now_s - entry.last_s > forget_s_) continue;
    out += std::to_string(entry.first_s) + " " + std::to_string(entry.last_s) + " " + *name + "\n";
  }
  return out;
}

void TempErrorMemory::read(std::string_view text, std::int64_t now_s) {
  const std::lock_guard lock(mutex_);
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const auto word = [&line] {
      const auto out = line.substr(0, line.find(' '));
      line.remove_prefix(std::min(line.size(), out.size() + 1));
      return out;
    };
    const auto first = core::parse_uint(word(), INT64_MAX), last = core::parse_uint(word(), INT64_MAX);
    const auto ip = core::IpAddress::parse(word());
    if (!first || !last || *first > *last || !ip || line.empty() || line.find(' ') != line.npos) continue;
    const auto last_s = static_cast<std::int64_t>(*last);
    std::string name = key(*ip, std::string(line));
    if (last_s > now_s || now_s - last_s > forget_s_ || entries_.contains(name) || entries_.size() >= most_) continue;
    order_.push_front(name);
    entries_.emplace(std::move(name), Entry{static_cast<std::int64_t>(*first), last_s, order_.begin()});
  }
}

std::uint64_t TempErrorMemory::changes() const {
  const std::lock_guard lock(mutex_);
  return changes_;
}

std::size_t TempErrorMemory::size() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

}  // namespace sekisho::verdict
