#include "service/survey/queue.h"

#include <algorithm>

#include "base/io/io.h"

namespace sekisho::survey {
namespace {

// What may be looked at in one millisecond, in steps of some ten nanoseconds.
constexpr std::int64_t kShare = 16'384, kSkipCost = 1, kGroupCost = 96;
// Names whose authority is busy: a list of one operator's names must not have all its first questions asked at once.
constexpr std::size_t kParkedMax = 2'000;

}  // namespace

std::string Queue::registrable(const std::string& name) const {
  const auto domain = mail::Domain::parse(name);
  if (domain && psl_)
    if (const auto own = psl_->organizational_domain(*domain)) return own->text();
  auto dot = name.rfind('.');
  if (dot != name.npos && dot > 0) dot = name.rfind('.', dot - 1);
  return dot == name.npos ? name : name.substr(dot + 1);
}

void Queue::replenish() {
  const std::int64_t now = io::now_ms();
  if (now != replenished_ms_) replenished_ms_ = now, left_ = kShare;
}

bool Queue::is_empty() const {
  return next_ >= names_.size() && freed_.empty() && late_.empty() && ready_.empty() && waiting_ == 0 && parked_ == 0;
}

std::optional<std::uint32_t> Queue::next() {
  if (parked_ >= kParkedMax) return std::nullopt;
  // All others first: a server that was tired has had its rest.
  if (next_ >= names_.size() && freed_.empty() && waiting_ == 0 && under_way_ == 0) freed_.swap(late_);
  if (!freed_.empty()) {
    const auto index = freed_.front();
    freed_.pop_front();
    return index;
  }
  for (; next_ < names_.size() && left_ > 0; left_ -= kSkipCost, ++next_)
    if (!is_finished(facts_[next_])) return static_cast<std::uint32_t>(next_++);
  return std::nullopt;
}

std::optional<Queue::Turn> Queue::take() {
  if (!ready_.empty()) {
    Turn turn = std::move(ready_.front());
    ready_.pop_front();
    return turn;
  }
  for (replenish(); left_ > 0; left_ -= kGroupCost) {
    const auto index = next();
    if (!index) return std::nullopt;
    Turn turn{*index, registrable(names_[*index]), "", pace_.per_authority == 0};
    Group& group = domains_[turn.domain];
    if (group.under_way < pace_.per_domain) {
      ++group.under_way;
      ++under_way_;
      return turn;
    }
    group.waiting.push_back(*index);
    ++waiting_;
  }
  return std::nullopt;
}

bool Queue::settle(Turn& turn, std::string authority) {
  turn.settled = true;
  if (authority.empty()) return true;
  turn.authority = std::move(authority);
  Group& group = authorities_[turn.authority];
  if (group.under_way < pace_.per_authority) return ++group.under_way, true;
  group.waiting.push_back(turn.index);
  ++parked_;
  return false;
}

void Queue::give_back(const Turn& turn) {
  --under_way_;
  const auto domain = domains_.find(turn.domain);
  --domain->second.under_way;
  if (!domain->second.waiting.empty()) {
    freed_.push_front(domain->second.waiting.front());
    domain->second.waiting.pop_front();
    --waiting_;
  } else if (domain->second.under_way == 0) {
    domains_.erase(domain);
  }
  if (turn.authority.empty()) return;
  const auto authority = authorities_.find(turn.authority);
  auto& waiting = authority->second.waiting;
  if (!waiting.empty()) {  // its place goes to the next
    ready_.push_back({waiting.front(), registrable(names_[waiting.front()]), turn.authority, true});
    waiting.pop_front();
    --parked_;
  } else if (--authority->second.under_way == 0) {
    authorities_.erase(authority);
  }
}

}  // namespace sekisho::survey
