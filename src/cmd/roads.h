#pragma once
// The road of each loop: its next hops, the resolver and the config in force. A session asks for the world of its loop;
// a reload changes all worlds, each on its own loop.
#include <map>
#include <memory>

#include "cmd/service.h"
#include "road/inbound/inbound.h"

namespace sekisho::cmd {

struct Server;

class Roads final : public Service {
 public:
  explicit Roads(Server& server) : server_(server) {}
  core::Task<std::string> start() override;
  std::vector<config::Problem> prepare(const Settings& next) override;
  core::Task<void> commit(const Settings& next) override;
  void drop() override { next_resolver_.reset(); }
  core::Task<bool> drain(std::int64_t deadline_ms) override;
  inbound::World& world() { return *worlds_.at(&io::Loop::current()); }  // on any loop of the server
  core::Task<void> survey();  // asks the next hops what they accept, for the log

 private:
  std::shared_ptr<dns::Resolver> make_resolver(const Settings& settings);
  std::shared_ptr<const inbound::Hops> make_hops(const std::vector<transfer::Options>& all,
                                                 const inbound::Hops* before);
  core::Task<void> on_each_loop(std::function<void(io::Loop&)> work);

  Server& server_;
  std::map<io::Loop*, std::unique_ptr<inbound::World>> worlds_;  // complete after start(), then only read
  dns::StubOptions stub_options_;
  std::shared_ptr<dns::Resolver> next_resolver_;
};

}  // namespace sekisho::cmd
