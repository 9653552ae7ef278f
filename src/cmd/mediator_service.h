#pragma once
// The mediator in a running server.
#include <memory>

#include "cmd/server.h"

namespace sekisho::cmd {

class MediatorService final : public Service {
 public:
  explicit MediatorService(Server& server) : server_(server) {}
  core::Task<std::string> start() override;
  core::Task<void> commit(const Settings& next) override;
  core::Task<bool> drain(std::int64_t deadline_ms) override;

 private:
  Server& server_;
  std::unique_ptr<mediator::Mediator> mediator_;  // null: it is not configured
};

}  // namespace sekisho::cmd
