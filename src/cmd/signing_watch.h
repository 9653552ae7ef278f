#pragma once
// Looks, at the start and after each reload, whether the keys of [[signing_key]] are published as they sign, and says
// in the log what is not. Nothing waits for the answer.
#include "cmd/server.h"

namespace sekisho::cmd {

class SigningWatch final : public Service {
 public:
  explicit SigningWatch(Server& server) : server_(server) {}
  core::Task<std::string> start() override;
  core::Task<void> commit(const Settings& next) override;
  core::Task<bool> drain(std::int64_t) override { co_return true; }

 private:
  void look(const Settings& settings);
  Server& server_;
};

}  // namespace sekisho::cmd
