#include "gate/egress/egress.h"

namespace sekisho::egress {

// The kernel goes to its own addresses from the same one; nothing is sent.
bool is_machine(const core::IpAddress& ip) {
  const auto there = io::Udp::connect({ip, 9});
  return there && there->local().ip == ip;
}

namespace {
constexpr std::int64_t kForgetMs = 60'000;
constexpr std::size_t kMost = 2'000;
}  // namespace

std::shared_ptr<transfer::NextHop> Hosts::at(const std::string& name, const io::Endpoint& where, const Config& config,
                                             core::Clock& clock, core::Random& random, io::Pool& pool) {
  const std::int64_t now_ms = io::now_ms();
  if (now_ms - looked_ms_ > kForgetMs / 4 || known_.size() >= kMost) forget(now_ms);
  transfer::Options options = config.world;
  options.name = name + "[" + where.text() + "]";
  options.address = where;
  options.tls_name = name;
  Known& known = known_[options.name];
  known.used_ms = now_ms;
  if (!known.hop || !(known.hop->options() == options)) {
    options.health = nullptr;  // the world's hosts come and go: the queue's log tells it
    options.offer = std::make_shared<transfer::Offer>();
    known.hop = std::make_shared<transfer::NextHop>(std::move(options), clock, random, pool);
  }
  return known.hop;
}

void Hosts::forget(std::int64_t now_ms) {
  looked_ms_ = now_ms;
  const std::int64_t older_than = now_ms - (known_.size() >= kMost ? 0 : kForgetMs);
  std::erase_if(known_, [&](const auto& each) { return each.second.used_ms < older_than; });
}

void Hosts::close_idle() {
  for (auto& [name, known] : known_) known.hop->close_idle();
}

}  // namespace sekisho::egress
