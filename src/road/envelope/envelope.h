#pragma once
// The second stage: for whom, and from what kind of domain. local_domains is asked before anything else: what is not in
// it is never relayed (no open relay). Settings are immutable once built; calls are re-entrant.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "base/core/budget.h"
#include "base/core/result.h"
#include "base/core/task.h"
#include "base/dns/dns.h"
#include "mail/address/address.h"

namespace sekisho::envelope {

enum class Check : std::uint8_t { kTable, kProbe, kAny };

struct LocalDomain {
  mail::Domain name;
  std::string next_hop;  // name of the hop its mail goes to
  Check check = Check::kProbe;
  bool observed = false;  // its mail is judged and recorded, never refused by a verdict
  std::string delimiter;
  std::unordered_set<std::string> recipients;  // local parts, lower case (kTable)
};

class LocalDomains {
 public:
  void add(LocalDomain domain);
  const LocalDomain* find(const mail::Domain& domain) const;  // exact: a subdomain is a domain of its own
  const LocalDomain* first() const;                           // the first one added; null when there is none
  bool empty() const { return domains_.empty(); }
  // Reads a table of local parts, one a line; the error names the line.
  static core::Result<std::unordered_set<std::string>, std::string> read_recipients(const std::string& file);

 private:
  std::unordered_map<std::string, LocalDomain> domains_;
  std::string first_;
};

enum class Recipient : std::uint8_t {
  kKnown,
  kUnknown,
  kAsk,      // the next hop must be probed
  kRouting,  // '%', '!' or an inner '@' in the local part: a try to be routed onward (RFC 5321 section 3.6.1)
};
Recipient look_at(const LocalDomain& domain, const mail::Address& address);
bool is_postmaster_or_abuse(const mail::Address& address);

// Can mail to this domain be answered at all?
enum class SenderDomain : std::uint8_t {
  kGood,
  kNonExistent,  // NXDOMAIN
  kNullMx,       // RFC 7505: it says that it takes no mail
  kNoAddress,    // neither MX nor A nor AAAA
  kTemporary,    // the DNS did not answer
};
// What must be told apart; what is not wanted is not asked for and counts as good.
struct Wanted {
  bool existence = true, null_mx = true, address = true;
};
core::Task<SenderDomain> look_up(mail::Domain domain, Wanted wanted, dns::Resolver& resolver, core::Budget& budget);

}  // namespace sekisho::envelope
