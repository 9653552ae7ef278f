#include "gate/egress/route.h"

#include <algorithm>

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

bool is_own(const std::string& name, const std::vector<std::string>& own) {
  return std::any_of(own.begin(), own.end(), [&](const std::string& other) { return core::iequals(name, other); });
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
  struct Found {
    std::uint16_t preference;
    Host host;
  };
  std::vector<Found> all;
  bool temporary = false;
  std::optional<std::uint16_t> ours;  // from this preference on all would send it to us again
  for (const auto& exchange : exchanges) {
    if ((ours && exchange.preference >= *ours) || all.size() >= rules.hosts_max) break;
    const std::string text = exchange.exchange.text();
    if (is_own(text, rules.own_names)) {
      ours = exchange.preference;
      break;
    }
    const Addresses found = co_await addresses_of(exchange.exchange, resolver, budget);
    temporary |= found.temporary && found.all.empty();
    for (const auto& ip : found.all) {
      const Host host{text, {ip, rules.port}};
      if (std::find(rules.own.begin(), rules.own.end(), host.at) != rules.own.end()) ours = exchange.preference;
      all.push_back({exchange.preference, host});
    }
  }
  Route out;
  for (const Found& found : all)
    if ((!ours || found.preference < *ours) && out.hosts.size() < rules.hosts_max) out.hosts.push_back(found.host);
  if (!out.hosts.empty()) co_return out;
  if (ours) co_return refuse(554, "5.4.6", "Mail for " + whom + " loops back to this machine");
  if (temporary) co_return refuse(451, "4.4.3", "The DNS does not give the address of a mail host of " + whom);
  if (mx->code == dns::Code::kNoData)
    co_return refuse(550, "5.1.2", "The domain " + whom + " has neither MX nor address");
  co_return refuse(550, "5.4.4", "No mail host of " + whom + " has an address");
}

}  // namespace sekisho::egress
