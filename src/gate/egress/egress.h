#pragma once
// The gate between the MTA's queue and the world: it takes a mail from the queue, does to it what road/mediation plans,
// hands it to the hosts of its recipients' domains and gives the queue the exact truth - the world's own replies, 4xx
// where nobody knows, never a 250 that was not given. It has no queue of its own. Over LMTP (RFC 2033) each recipient
// gets its reply after the message; over SMTP a transaction has one recipient, as there is one reply for all.
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/core/clock.h"
#include "base/core/network.h"
#include "base/core/random.h"
#include "base/dns/dns.h"
#include "base/io/io.h"
#include "gate/session/session.h"
#include "road/action/action.h"
#include "road/mediation/mediation.h"
#include "road/override/override.h"
#include "trail/trail.h"
#include "transfer/transfer.h"

namespace sekisho::egress {

// Whom mail is never handed to by an MX or a literal, and where the world's hosts listen.
struct RouteRules {
  std::uint16_t port = 25;
  std::vector<std::string> own_names;  // an MX with one of them is this machine, and so are those behind it
  std::vector<io::Endpoint> own;       // our gates; an unspecified address stands for all of this machine
  std::vector<core::Network>
      mx_networks;  // an MX may lie there, though the world does not see it, or it is this machine
  std::function<bool(const core::IpAddress&)> is_machine;  // an address of this machine; empty: not known
  std::size_t hosts_max = 5;                               // addresses in all
  std::int64_t until_ms = io::kNoDeadline;                 // steady; what was found by then is all
};
bool is_machine(const core::IpAddress& ip);  // asks the kernel, on a loop: RouteRules::is_machine of a server

struct Config {
  std::string id;                      // digest of the file, in each record
  action::Settings action;             // our name in Received
  std::vector<core::Network> clients;  // who may hand mail over; nobody else
  bool lmtp = true;
  bool observe = false;                  // plan and record, touch nothing
  std::optional<io::Endpoint> next_hop;  // instead of the MX
  RouteRules route;
  transfer::Options world;           // what every host is met with; name and address are filled in
  std::int64_t answer_ms = 570'000;  // from the queue's final dot to our answers
  mediation::Settings mediation;
  dmarc::Method dmarc_method = dmarc::Method::kTree;
  std::shared_ptr<const dmarc::PublicSuffixList> psl;
  std::uint32_t dns_queries = 100;
  unsigned received_max = 100;
  std::uint16_t node = 0;
};

// Numbers for the metrics; thread-safe.
class Meter {
 public:
  virtual ~Meter() = default;
  virtual void outgoing(transfer::Outcome outcome) = 0;  // one a recipient
  virtual void change(mediation::Change change) = 0;     // one a change made
};

// Kept sessions to the hosts of the world, of one loop. Those that were not used for a while are forgotten.
class Hosts {
 public:
  std::shared_ptr<transfer::NextHop> at(const std::string& name, const io::Endpoint& where, const Config& config,
                                        core::Clock& clock, core::Random& random, io::Pool& pool);
  void close_idle();

 private:
  struct Known {
    std::shared_ptr<transfer::NextHop> hop;
    std::int64_t used_ms = 0;
  };
  void forget(std::int64_t now_ms);
  std::map<std::string, Known> known_;
  std::int64_t looked_ms_ = 0;
};

// What outlives all sessions; one a loop.
struct World {
  std::function<std::shared_ptr<dns::Resolver>()> resolver;  // in force on this loop
  core::Clock& clock;
  core::Random& random;
  trail::Trail& trail;
  override_::Overrides& overrides;
  io::Pool& pool;
  Meter& meter;
  Hosts hosts;
};

// World and facts must outlive the road; the config is that of the session.
std::unique_ptr<session::Road> make_road(World& world, std::shared_ptr<const Config> config,
                                         const session::SessionFacts& facts);

}  // namespace sekisho::egress
