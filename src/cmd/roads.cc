#include "cmd/roads.h"

#include <algorithm>

#include "base/log/log.h"
#include "cmd/server.h"
#include "cmd/start.h"

namespace sekisho::cmd {

namespace {
// The overlay owns what lies below it; the stub lives longer than any overlay.
class Below final : public dns::Resolver {
 public:
  explicit Below(dns::Resolver& stub) : stub_(stub) {}
  dns::AnswerPtr ready(const dns::Name& name, dns::Type type) override { return stub_.ready(name, type); }
  core::Task<dns::AnswerPtr> lookup(dns::Name name, dns::Type type, core::Budget& budget) override {
    co_return co_await stub_.lookup(std::move(name), type, budget);
  }

 private:
  dns::Resolver& stub_;
};
}  // namespace

std::shared_ptr<dns::Resolver> Roads::make_resolver(const Settings& settings) {
  auto& stubs = server_.stubs;
  if (stubs.empty() || !(stub_options_ == settings.dns)) {
    if (!stubs.empty()) stubs.back()->flush();
    stubs.push_back(dns::make_stub(settings.dns, server_.clock, server_.random));
    stub_options_ = settings.dns;
  }
  auto below = std::make_unique<Below>(*stubs.back());
  if (!settings.zone) return below;
  return dns::make_overlay(*settings.zone, std::move(below));
}

// On the loop that will use them. A hop that has not changed stays with its kept sessions; the sessions of one that has
// are closed with the last mail that began with it.
std::shared_ptr<const inbound::Hops> Roads::make_hops(const std::vector<transfer::Options>& all,
                                                      const inbound::Hops* before) {
  auto hops = std::make_shared<inbound::Hops>();
  for (transfer::Options options : all) {
    options.sessions_count = std::max<std::size_t>(1, options.sessions_count / server_.loops.size());
    const std::string name = options.name;
    const auto same = before ? before->find(name) : inbound::Hops::const_iterator();
    if (before && same != before->end() && same->second->options() == options)
      hops->emplace(name, same->second);
    else
      hops->emplace(
          name, std::make_shared<transfer::NextHop>(std::move(options), server_.clock, server_.random, *server_.pool));
  }
  return hops;
}

core::Task<void> Roads::on_each_loop(std::function<void(io::Loop&)> work) {
  // Shared with what is posted: when the loops are stopping, nobody waits for it here any more.
  struct Count {
    std::size_t left;
    io::Event done;
  };
  const auto count = std::make_shared<Count>();
  count->left = server_.loops.size();
  io::Loop& home = io::Loop::current();
  for (const auto& loop : server_.loops) {
    auto here = [&home, count, work, at = loop.get()] {
      work(*at);
      auto tell = [count] {
        if (--count->left == 0) count->done.set();
      };
      home.post(std::move(tell));
    };
    loop->post(std::move(here));
  }
  while (count->left > 0) {
    const auto woken = co_await count->done.wait();
    if (!woken) co_return;
  }
}

core::Task<std::string> Roads::start() {
  auto& s = server_;
  const auto resolver = make_resolver(s.settings);
  for (const auto& loop : s.loops)
    worlds_[loop.get()].reset(new inbound::World{{s.settings.road, resolver, nullptr},
                                                 s.clock,
                                                 s.random,
                                                 *s.trail,
                                                 *s.limits,
                                                 s.patience,
                                                 *s.overrides,
                                                 s.temporary,
                                                 *s.receipts,
                                                 *s.partial,
                                                 s.doubts,
                                                 *s.pool,
                                                 *s.meter});
  std::function<void(io::Loop&)> furnish = [this](io::Loop& loop) {
    worlds_.at(&loop)->present.hops = make_hops(server_.settings.hops, nullptr);
  };
  co_await on_each_loop(std::move(furnish));
  co_return std::string();
}

std::vector<config::Problem> Roads::prepare(const Settings& next) {
  std::vector<config::Problem> problems;
  for (std::size_t i = 0; i < next.hops.size(); ++i) {
    const std::string fault = next.hops[i].folder.empty() ? "" : make_folder(next.hops[i].folder);
    const std::string key = "next_hop[" + std::to_string(i) + "].folder";
    if (!fault.empty()) problems.push_back({next.values.file(), next.values.line(key), key + ": " + fault});
  }
  if (problems.empty()) next_resolver_ = make_resolver(next);
  return problems;
}

core::Task<void> Roads::commit(const Settings& next) {
  // All by value: when the loops stop meanwhile, nobody waits for the last of them.
  std::function<void(io::Loop&)> change = [this, all = next.hops, road = next.road,
                                           resolver = std::move(next_resolver_)](io::Loop& loop) {
    inbound::World& world = *worlds_.at(&loop);
    auto hops = make_hops(all, world.present.hops.get());
    world.present = {road, resolver, std::move(hops)};
  };
  co_await on_each_loop(std::move(change));
}

core::Task<bool> Roads::drain(std::int64_t) {
  std::function<void(io::Loop&)> close = [this](io::Loop& loop) {
    for (const auto& [name, hop] : *worlds_.at(&loop)->present.hops) hop->close_idle();
  };
  co_await on_each_loop(std::move(close));
  co_return true;
}

core::Task<void> Roads::survey() {
  const inbound::Present present = world().present;
  for (const auto& [name, hop] : *present.hops) {
    if (hop->options().kind == transfer::Kind::kMaildir) continue;
    const auto* domain = present.config->domains.first();
    const auto survey = co_await hop->survey(domain->name.text());
    const auto hop_name = log::name(name);
    if (survey.accepts_foreign_rcpt) log::write<log::Event::k_next_hop_relays>(hop_name);
    if (survey.accepts_random_rcpt && domain->check == envelope::Check::kProbe)
      log::write<log::Event::k_next_hop_takes_all>(hop_name);
  }
}

}  // namespace sekisho::cmd
