#pragma once
// The egress gate of a running server: its doors, and on each loop the kept sessions to the world.
#include <map>
#include <memory>

#include "cmd/server.h"
#include "gate/egress/egress.h"

namespace sekisho::cmd {

class EgressService final : public Service {
 public:
  explicit EgressService(Server& server) : server_(server) {}
  core::Task<std::string> start() override;
  core::Task<void> commit(const Settings& next) override;
  core::Task<bool> drain(std::int64_t deadline_ms) override;

 private:
  std::shared_ptr<const session::Shared> shared(const Settings& settings);

  Server& server_;
  std::map<io::Loop*, std::unique_ptr<egress::World>> worlds_;  // complete after start(), then only read
  std::unique_ptr<mx::Gate> gate_;
};

// Takes the doors of these addresses out of `doors`.
std::vector<io::Listener> take_doors(std::vector<io::Listener>& doors, const std::vector<io::Endpoint>& at);

}  // namespace sekisho::cmd
