#pragma once
// The mx gate: the service that takes mail from other domains on port 25 (or where it is told) and gives each
// connection to a session. One acceptor per address hands descriptors round-robin to the loops. Caps per source are the
// road's (at_connect); here is only the number of sessions in all.
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/core/result.h"
#include "base/io/io.h"
#include "gate/session/session.h"

namespace sekisho::mx {

struct Limits {
  std::size_t sessions = 10'000;  // at a time; beyond it 421 4.3.2 and hang up
};

struct Counts {
  std::uint64_t accepted = 0;     // connections given to a session
  std::uint64_t turned_away = 0;  // at the limit
  std::size_t sessions = 0;       // now
  std::size_t sessions_limit = 0;
};

class Gate {
 public:
  // Binds every endpoint and accepts on the current loop, which is loops.front(); nothing is accepted before it runs.
  // The loops outlive the gate's sessions. A failure names the endpoint and the reason. The process' soft limit of
  // descriptors is raised for limits.sessions; where the hard one forbids it, fewer sessions are taken.
  static core::Result<std::unique_ptr<Gate>, std::string> start(const std::vector<io::Endpoint>& at,
                                                                std::vector<io::Loop*> loops, Limits limits,
                                                                std::shared_ptr<const session::Shared> shared);
  // The same with doors that are bound already, before privileges were dropped or by somebody else.
  static std::unique_ptr<Gate> start(std::vector<io::Listener> doors, std::vector<io::Loop*> loops, Limits limits,
                                     std::shared_ptr<const session::Shared> shared);
  static core::Result<std::vector<io::Listener>, std::string> bind(const std::vector<io::Endpoint>& at);
  ~Gate();  // after drain() is done, or after its loops have ended

  std::vector<io::Endpoint> endpoints() const;  // as bound (port 0 was given one)
  // All that follows: on the loop of start().
  // New sessions use it, those under way keep what they began with.
  void reload(std::shared_ptr<const session::Shared> shared, Limits limits);
  // shared: somebody else holds these doors too (the service manager), so a drain leaves their queues for who comes
  // next.
  void add(std::vector<io::Listener> doors, bool shared = false);
  // Takes whoever waits at that door, then closes it.
  void remove(const io::Endpoint& at);
  // Accepts no more, tells waiting clients 421 4.3.2, lets transactions end. True when every session has ended before
  // the deadline (steady), false also after hurry() or take_back().
  core::Task<bool> drain(std::int64_t deadline_ms);
  void hurry();  // a drain under way waits no longer
  // For a successor that takes the doors over: duplicates of the listening sockets, the caller's to close. Nobody is
  // accepted from now on and nobody is turned away: who comes waits in the kernel's queue. drain() then leaves the
  // doors as they are.
  std::vector<int> hand_over();
  void take_back();       // the successor has gone: drain() is called off and all doors are open again
  Counts counts() const;  // thread-safe

 private:
  struct Impl;
  explicit Gate(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace sekisho::mx
