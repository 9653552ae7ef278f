#pragma once
// What a running serve answers on its control socket: one JSON request {"verb": ...}, one JSON answer {"ok": ..., ...}.
#include <string>

#include "base/core/task.h"
#include "road/override/override.h"
#include "road/receipt/receipt.h"
#include "trail/trail.h"

namespace sekisho::cmd {

struct ControlDesk {
  trail::Trail& trail;
  override_::Overrides& overrides;
  receipt::KeyRing& receipts;
  core::Clock& clock;
  io::Pool& pool;
  core::Task<std::string> answer(std::string request);
};

// The same questions put to a store nobody serves from (the command took its lock), or to the serve that has it.
// Gives the answer as JSON text, or an error line for people.
core::Result<std::string, std::string> ask_serve(const std::string& config_file, const std::string& request);

}  // namespace sekisho::cmd
