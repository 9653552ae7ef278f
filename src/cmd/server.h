#pragma once
// The running server: what lives as long as it, in the order it is built, and its life. Taken down in reverse.
#include <memory>
#include <string>
#include <vector>

#include "base/log/log.h"
#include "base/process/process.h"
#include "cmd/lag.h"
#include "cmd/meter.h"
#include "cmd/roads.h"
#include "cmd/service.h"
#include "cmd/settings.h"

namespace sekisho::cmd {

struct Server {
  std::string config_file;
  Settings settings;       // in force; changed on the first loop only
  config::Values started;  // the values of the start, for what only a restart can change
  bool sandboxed = false;
  process::Notifier notifier = process::Notifier::from_environment();
  std::vector<io::Listener> doors;   // of the mx gate, bound before the server stepped down
  std::vector<io::Listener> handed;  // likewise, but the service manager keeps them too

  std::unique_ptr<log::Logger> logger;
  core::SystemClock clock;
  core::SystemRandom random;
  std::unique_ptr<io::Pool> pool;
  std::unique_ptr<trail::Trail> trail;
  std::unique_ptr<override_::Overrides> overrides;
  std::unique_ptr<partial::Memory> partial;
  partial::Doubts doubts;
  std::unique_ptr<receipt::KeyRing> receipts;
  std::unique_ptr<connection::Limits> limits;
  connection::Patience patience;
  verdict::TempErrorMemory temporary;
  std::unique_ptr<RoadMeter> meter;
  std::unique_ptr<smtp::OctetPool> octets;
  LagMeter lag;
  // A stub must outlive the loops: one whose servers a reload has changed stays, emptied.
  std::vector<std::unique_ptr<dns::StubResolver>> stubs;
  std::vector<std::unique_ptr<io::Loop>> loops;

  // In the order of their start; a drain goes the same way. The gate's doors open when all have started.
  std::vector<std::unique_ptr<Service>> services;
  Roads* roads = nullptr;
  mx::Gate* gate = nullptr;         // of the mx service, once it has started
  mx::Gate* egress_gate = nullptr;  // likewise

  std::string failure;  // why it could not stand
  bool reloading = false;
  bool leaving = false;
  bool asked_to_end = false;  // by a signal
  bool handing_over = false;  // leaving, and a successor has the doors
  int successor = -1;         // our end of its connection: its other end closes when this process has gone
};

struct Reloaded {
  std::vector<config::Problem> problems;  // not empty: nothing has changed
  std::vector<config::Problem> restart;   // keys whose change waits for a restart
  std::string id;                         // of the config in force
};
core::Task<Reloaded> reload(Server& server, std::string by_whom);

// Lets transactions end, then stops the loops. Called off when a successor goes away before its time.
core::Task<void> leave(Server& server, std::string why);
// SIGHUP reloads, SIGTERM and SIGINT leave, a second one at once. Until the loops stop.
core::Task<void> obey_signals(Server& server);
// Tells the service manager that all loops turn, as long as they do.
core::Task<void> keep_watchdog(Server& server);
core::Task<void> keep_retention(Server& server);  // hourly
// How much memory messages may take: half of what the process may use at most, the rest is for sockets, indexes and the
// program.
std::uint64_t memory_for_messages(std::uint64_t wanted);
// The hours of a sender whose DNS fails go on over a restart.
void read_temporary(Server& server);
void save_temporary(Server& server);
core::Task<void> keep_temporary(Server& server);  // each minute, when something has changed
// The services of every server: roads, the mx gate, the control socket, the metrics page.
void add_services(Server& server);

}  // namespace sekisho::cmd
