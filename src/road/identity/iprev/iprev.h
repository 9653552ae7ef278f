#pragma once
// The reverse name of a client and whether it leads back to the client (RFC 8601 section 3: "iprev").
#include <cstddef>
#include <optional>
#include <string>

#include "base/core/budget.h"
#include "base/core/ip_address.h"
#include "base/core/task.h"
#include "base/dns/dns.h"
#include "mail/address/address.h"
#include "road/finding/finding.h"

namespace sekisho::iprev {

constexpr std::size_t kMaxNames = 10;  // PTR names tried, in the order of the reply

struct Evaluation {
  // pass: a PTR name has this address. fail: there are names, none has it. permerror: no PTR record, or only names that
  // no host can have. temperror: the DNS gave no answer and nothing else proved a pass. none: not evaluated.
  road::AuthResult result = road::AuthResult::kNone;
  std::optional<mail::Domain> name;  // pass: the confirmed name; fail and temperror: the first name, unproven
  std::string reason;                // short, for people
};

// in-addr.arpa or ip6.arpa (RFC 1035 section 3.5, RFC 3596 section 2.5).
dns::Name reverse_name(const core::IpAddress& ip);

// One PTR look-up and at most 10 of the address.
core::Task<Evaluation> evaluate(core::IpAddress ip, dns::Resolver& resolver, core::Budget& budget);

}  // namespace sekisho::iprev
