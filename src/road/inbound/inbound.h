#pragma once
// The road of mail from other domains: the five moments in one order (inbound.cc). It asks the rooms, lets verdict
// decide, records, and hands the mail to the next hop. One Road per session, on the session's loop; Config is a
// snapshot taken at MAIL.
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/core/clock.h"
#include "base/core/random.h"
#include "base/dns/dns.h"
#include "base/io/io.h"
#include "gate/session/session.h"
#include "road/action/action.h"
#include "road/connection/connection.h"
#include "road/envelope/envelope.h"
#include "road/identity/identity.h"
#include "road/override/override.h"
#include "road/partial/partial.h"
#include "road/receipt/receipt.h"
#include "road/relay/relay.h"
#include "road/verdict/verdict.h"
#include "trail/trail.h"
#include "transfer/transfer.h"

namespace sekisho::inbound {

struct Config {
  std::string id;  // digest of the file, in each record
  action::Settings action;
  identity::Settings identity;
  std::shared_ptr<const dmarc::PublicSuffixList> psl;  // what identity.psl points to
  verdict::Policy policy;
  envelope::LocalDomains domains;
  std::vector<mail::Domain> observe_domains;  // local domains whose mail is only observed
  unsigned observe_share_percent = 0;
  std::vector<core::Network> trusted_relays;  // their Received fields tell who the client is
  std::uint32_t dns_queries = 150;
  std::uint64_t message_bytes = 0;
  std::uint16_t node = 0;
};

// Numbers for the metrics; thread-safe.
class Meter {
 public:
  virtual ~Meter() = default;
  virtual void session(const session::SessionSummary& summary) = 0;
  virtual void refused(verdict::Moment moment, const verdict::Verdict& verdict) = 0;
  virtual void mail(const verdict::Verdict& verdict, const identity::Papers& papers, std::int64_t road_us,
                    std::int64_t transfer_us, std::uint64_t size) = 0;
  virtual void outcome(transfer::Outcome outcome) = 0;
  virtual void duplicate() = 0;  // delivered, and it may have been before
};

// The next hops of one loop, by name.
using Hops = std::map<std::string, std::shared_ptr<transfer::NextHop>>;

// What a reload puts in place as one piece. A transaction keeps the one it began with, and with it the hops.
struct Present {
  std::shared_ptr<const Config> config;
  std::shared_ptr<dns::Resolver> resolver;
  std::shared_ptr<const Hops> hops;
};

// What outlives all sessions. One a loop, and `present` is changed on that loop only; the rest is shared and
// thread-safe.
struct World {
  Present present;
  core::Clock& clock;
  core::Random& random;
  trail::Trail& trail;
  connection::Limits& limits;
  connection::Patience& patience;
  override_::Overrides& overrides;
  verdict::TempErrorMemory& temporary;
  receipt::KeyRing& receipts;
  partial::Memory& partial;
  partial::Doubts& doubts;
  io::Pool& pool;
  Meter& meter;
};

// World and facts must outlive the road.
std::unique_ptr<session::Road> make_road(World& world, const session::SessionFacts& facts);

// Shared with `check` and `replay`, so that they judge exactly as the gate does.
struct Case {  // one mail, as far as it is known
  identity::Client client;
  // Set before read_envelope where a trusted relay hands the mail over: nothing is asked about its address; who
  // `client` really is comes from the message (read_message), and then `relay` keeps whom it came from.
  bool relayed = false;
  std::optional<action::Arrival::Relay> relay;
  std::vector<std::string> rcpt_to;
  envelope::SenderDomain sender_domain = envelope::SenderDomain::kGood;
  bool sender_domain_asked = false;
  identity::Papers papers;
  road::Findings findings;  // of connection and envelope
  std::int64_t temperror_age_s = 0;
  bool exempt_recipient = false;
  unsigned received_count = 0;
  std::optional<smtp::Reply> reply;  // the next hop's own word on a recipient
};
core::Task<void> read_envelope(Case& mail, const Config& config, dns::Resolver& resolver, const core::Clock& clock,
                               std::int64_t now_s, core::Budget& budget);
core::Task<void> read_message(Case& mail, const mail::Message& message, const Config& config, dns::Resolver& resolver,
                              const core::Clock& clock, std::int64_t now_s, unsigned sample, core::Budget& budget,
                              io::Pool* pool = nullptr);
// The span in Facts views into `all`, which the caller keeps.
verdict::Facts facts_of(const Case& mail, road::Findings& all);
// The domain whose DNS fault makes this mail wait; "" when none does.
std::string temporary_domain(const Case& mail);

}  // namespace sekisho::inbound
