#pragma once
// Where mail for a domain goes (RFC 5321 section 5.1): its hosts in the order they are tried, or the reply that says
// why there are none. A fault of the DNS is never a refusal.
#include <optional>
#include <string>
#include <vector>

#include "base/core/random.h"
#include "base/core/task.h"
#include "base/dns/dns.h"
#include "base/io/io.h"
#include "gate/egress/egress.h"
#include "mail/address/address.h"
#include "mail/smtp/reply.h"

namespace sekisho::egress {

struct Host {
  std::string name;  // of the MX record; "" for an address that was configured or a literal
  io::Endpoint at;
  std::string text() const;  // "mx.example.org[192.0.2.1]:25"
};
struct Route {
  std::vector<Host> hosts;             // empty only with a refusal
  std::optional<smtp::Reply> refusal;  // 4xx or 5xx
};

core::Task<Route> find_route(mail::Domain domain, const RouteRules& rules, dns::Resolver& resolver,
                             core::Random& random, core::Budget& budget);
Route literal_route(const core::IpAddress& ip, const RouteRules& rules);

}  // namespace sekisho::egress
