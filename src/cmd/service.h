#pragma once
// One of the things that serve side by side in a running server. All functions are called on the first loop.
#include <string>
#include <vector>

#include "base/config/config.h"
#include "base/core/task.h"
#include "cmd/settings.h"

namespace sekisho::cmd {

class Service {
 public:
  virtual ~Service() = default;
  virtual core::Task<std::string> start() = 0;  // "" or what went wrong
  // A reload has two steps. prepare() does all that can fail (bind, read, make) and shows nothing of it; when every
  // service could, commit() puts it in place. What was prepared for a reload that another one refused is dropped.
  virtual std::vector<config::Problem> prepare(const Settings&) { return {}; }
  virtual core::Task<void> commit(const Settings&) { co_return; }
  virtual void drop() {}
  virtual core::Task<bool> drain(std::int64_t deadline_ms) = 0;  // false: something was cut off
};

}  // namespace sekisho::cmd
