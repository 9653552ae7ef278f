#pragma once
// Says in the log when something goes wrong with the server and when it is over: once each, not once a mail.
#include <memory>
#include <string>
#include <vector>

#include "base/core/task.h"
#include "base/dns/stub.h"
#include "gate/mx/mx.h"
#include "mail/smtp/octet_pool.h"
#include "trail/trail.h"

namespace sekisho::cmd {

// All of it outlives the loop that watch() runs on.
struct Watched {
  trail::Trail& trail;
  mx::Gate& gate;
  smtp::OctetPool& octets;
  const std::vector<std::unique_ptr<dns::StubResolver>>& stubs;  // the last one is in use
  std::string state_dir;
};
// Looks once a second until the loop stops.
core::Task<void> watch(Watched watched);

}  // namespace sekisho::cmd
