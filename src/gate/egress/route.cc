#include "gate/egress/route.h"

#include <algorithm>

#include "base/core/network.h"
#include "base/core/text.h"

namespace sekisho::egress {
namespace {

Route refuse(int code, const char* enhanced, std::string text) {
  return {{}, smtp::Reply{code, enhanced, {core::printable(text, 400)}}};
}

// Equal preferences in random order (RFC 5321 section 5.1), for load sharing.
std::vector<dns::Mx> in_order(const std::vector<dns::Mx>& records, core::Random& random) {
  struct Drawn {
    std::uint64_t lot;
    const dns::Mx* mx;
  };
  std::vector<Drawn> drawn;
  for (const auto& mx : records)
    if (!mx.exchange.is_root()) drawn.push_back({random.u64(), &mx});
  std::sort(drawn.begin(), drawn.end(), [](const Drawn& a, const Drawn& b) {
    return a.mx->preference != b.mx->preference ? a.mx->preference < b.mx->preference : a.lot < b.lot;
  });
  std::vector<dns::Mx> out;
  for (const auto& each : drawn) out.push_back(*each.mx);
  return out;
}

struct Addresses {
  std::vector<core::IpAddress> all;
  bool temporary = false;
};
core::Task<Addresses> addresses_of(dns::Name name, dns::Resolver& resolver, core::Budget& budget) {
  Addresses out;
  for (const dns::Type type : {dns::Type::kA, dns::Type::kAaaa}) {
    const auto answer = co_await resolver.lookup(name, type, budget);
    out.all.insert(out.all.end(), answer->addresses.begin(), answer->addresses.end());
    out.temporary |= dns::is_temporary(answer->code);
  }
  co_return out;
}

// What keeps an address from being a host of the world.
enum class Bar : std::uint8_t { kNone, kOurs, kLoops, kUnreachable };

Bar bar_of(const io::Endpoint& at, const RouteRules& rules) {
  using core::Reach;
  const auto machine = [&] { return rules.is_machine && rules.is_machine(at.ip); };
  for (const auto& own : rules.own) {
    if (own == at) return Bar::kOurs;
    if (own.port == at.port && core::reach_of(own.ip) == Reach::kUnspecified && machine()) return Bar::kOurs;
  }
  if (core::in_any(rules.mx_networks, at.ip)) return Bar::kNone;
  const Reach reach = core::reach_of(at.ip);
  // The kernel takes 0.0.0.0 for this machine too.
  if (reach == Reach::kLoopback || reach == Reach::kUnspecified) return Bar::kLoops;
  if (reach != Reach::kPublic && reach != Reach::kPrivate) return Bar::kUnreachable;
  if (machine()) return Bar::kOurs;
  return reach == Reach::kPrivate ? Bar::kUnreachable : Bar::kNone;
}

Route loop(std::string text) { return refuse(554, "5.4.6", std::move(text)); }

// RFC 3463 section 3.5: 5.4.6 a loop, 5.4.4 no way there.
smtp::Reply barred(Bar bar, const std::string& whom, const Host& host) {
  const std::string ip = host.at.ip.text();
  const std::string kind = " (" + std::string(core::word(core::reach_of(host.at.ip))) + ")";
  const std::string what = (host.name.empty() ? "the address is " : "its host " + host.name + " is ") + ip;
  if (bar == Bar::kOurs) return *loop("Mail for " + whom + " loops back to this machine: " + what).refusal;
  if (bar == Bar::kLoops) return *loop("Mail for " + whom + " would loop back: " + what + kind).refusal;
  return *refuse(550, "5.4.4", "No way to " + whom + ": " + what + kind + ", no address of the Internet").refusal;
}

bool is_own(const std::string& name, const std::vector<std::string>& own) {
  return std::any_of(own.begin(), own.end(), [&](const std::string& other) { return core::iequals(name, other); });
}

struct Found {
  struct Candidate {
    std::uint16_t preference;
    Host host;
  };
  std::vector<Candidate> hosts;
  std::optional<std::uint16_t> ours;   // from this preference on all would send it to us again
  std::optional<smtp::Reply> refusal;  // why an address was left out; that one is ours says more than others
  bool temporary = false;
};
constexpr std::size_t kLookedMost = 64;  // addresses, of which the first few are used

core::Task<Found> hosts_of(const std::string& whom, const std::vector<dns::Mx>& exchanges, const RouteRules& rules,
                           dns::Resolver& resolver, core::Budget& budget) {
  Found out;
  std::size_t looked = 0;
  for (const auto& exchange : exchanges) {
    if ((out.ours && exchange.preference >= *out.ours) || out.hosts.size() >= rules.hosts_max) break;
    // Fifty names whose servers are silent: a domain may cost its own mail the time, nobody else's.
    if (io::now_ms() >= rules.until_ms) {
      out.temporary = true;
      break;
    }
    const std::string name = exchange.exchange.text();
    if (is_own(name, rules.own_names)) {
      out.ours = exchange.preference;
      out.refusal = loop("Mail for " + whom + " loops back to this machine: its host " + name + " is our name").refusal;
      break;
    }
    const Addresses found = co_await addresses_of(exchange.exchange, resolver, budget);
    out.temporary |= found.temporary && found.all.empty();
    for (const auto& ip : found.all) {
      if (++looked > kLookedMost) break;
      const Host host{name, {ip, rules.port}};
      const Bar bar = bar_of(host.at, rules);
      if (bar == Bar::kNone) out.hosts.push_back({exchange.preference, host});
      if (bar == Bar::kOurs) out.ours = exchange.preference;
      if (bar == Bar::kOurs || (bar != Bar::kNone && !out.refusal)) out.refusal = barred(bar, whom, host);
    }
  }
  co_return out;
}

}  // namespace

std::string Host::text() const {
  const std::string address = "[" + at.ip.text() + "]:" + std::to_string(at.port);
  return name + address;
}

core::Task<Route> find_route(mail::Domain domain, const RouteRules& rules, dns::Resolver& resolver,
                             core::Random& random, core::Budget& budget) {
  const dns::Name name = domain.name();
  const auto mx = co_await resolver.lookup(name, dns::Type::kMx, budget);
  const std::string& whom = domain.text();
  if (dns::is_temporary(mx->code))
    co_return refuse(451, "4.4.3", "The DNS does not say where mail for " + whom + " goes; try again later");
  if (mx->code == dns::Code::kNxDomain) co_return refuse(550, "5.1.2", "The domain " + whom + " does not exist");
  // RFC 7505 section 3: a single MX with the root as exchange.
  if (mx->exchanges.size() == 1 && mx->exchanges.front().exchange.is_root())
    co_return refuse(556, "5.1.10", "The domain " + whom + " takes no mail (null MX)");
  std::vector<dns::Mx> exchanges = in_order(mx->exchanges, random);
  // RFC 5321 section 5.1: without MX the domain is its own, with preference 0.
  if (mx->code == dns::Code::kNoData) exchanges.push_back({0, name});
  const Found found = co_await hosts_of(whom, exchanges, rules, resolver, budget);
  Route out;
  for (const auto& each : found.hosts)
    if ((!found.ours || each.preference < *found.ours) && out.hosts.size() < rules.hosts_max)
      out.hosts.push_back(each.host);
  if (!out.hosts.empty()) co_return out;
  if (found.temporary && !found.ours)
    co_return refuse(451, "4.4.3", "The DNS does not give the address of a mail host of " + whom);
  if (found.refusal) co_return Route{{}, found.refusal};
  if (mx->code == dns::Code::kNoData)
    co_return refuse(550, "5.1.2", "The domain " + whom + " has neither MX nor address");
  co_return refuse(550, "5.4.4", "No mail host of " + whom + " has an address");
}

Route literal_route(const core::IpAddress& ip, const RouteRules& rules) {
  const Host host{"", {ip, rules.port}};
  const Bar bar = bar_of(host.at, rules);
  if (bar != Bar::kNone) return {{}, barred(bar, "[" + ip.text() + "]", host)};
  return {{host}, {}};
}

}  // namespace sekisho::egress
