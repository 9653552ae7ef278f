#include "cmd/egress_service.h"

#include <algorithm>

namespace sekisho::cmd {

std::vector<io::Listener> take_doors(std::vector<io::Listener>& doors, const std::vector<io::Endpoint>& at) {
  std::vector<io::Listener> taken, rest;
  for (io::Listener& door : doors) {
    const bool wanted = std::find(at.begin(), at.end(), door.local()) != at.end();
    (wanted ? taken : rest).push_back(std::move(door));
  }
  doors = std::move(rest);
  return taken;
}

core::Task<std::string> EgressService::start() {
  std::vector<io::Loop*> loops;
  for (auto& loop : server_.loops) {
    loops.push_back(loop.get());
    auto resolver = [roads = server_.roads] { return roads->world().present.resolver; };
    worlds_[loop.get()].reset(new egress::World{std::move(resolver),
                                                server_.clock,
                                                server_.random,
                                                *server_.trail,
                                                *server_.overrides,
                                                *server_.pool,
                                                *server_.meter,
                                                {}});
  }
  std::vector<io::Listener> later;
  gate_ = mx::Gate::start(std::move(later), std::move(loops), server_.settings.gate, shared(server_.settings));
  server_.egress_gate = gate_.get();
  co_return std::string();
}

std::shared_ptr<const session::Shared> EgressService::shared(const Settings& settings) {
  session::RoadFactory make = [this, config = settings.egress](const session::SessionFacts& facts) {
    return egress::make_road(*worlds_.at(&io::Loop::current()), config, facts);
  };
  return std::make_shared<const session::Shared>(session::Shared{
      settings.egress_session, std::move(make), server_.clock, server_.random, *server_.octets, server_.pool.get()});
}

core::Task<void> EgressService::commit(const Settings& next) {
  gate_->reload(shared(next), next.gate);
  co_return;
}

core::Task<bool> EgressService::drain(std::int64_t deadline_ms) {
  const bool clean = co_await gate_->drain(deadline_ms);
  for (auto& [loop, world] : worlds_) {
    auto close = [at = world.get()] { at->hosts.close_idle(); };
    loop->post(std::move(close));
  }
  co_return clean;
}

}  // namespace sekisho::cmd
