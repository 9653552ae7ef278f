#pragma once
// Sender ID (RFC 4406): may this client use the return path's domain, and that of the purported responsible address
// (PRA, RFC 4407), the letterhead's own account of who last put the mail on its way? It rests on the client's address,
// as SPF does. The PRA is not the author: a pass proves nothing about From unless From is where the PRA was found.
// Re-entrant; keeps nothing after returning.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/core/budget.h"
#include "base/core/ip_address.h"
#include "base/core/task.h"
#include "base/dns/dns.h"
#include "mail/address/address.h"
#include "mail/message/message.h"
#include "road/finding/finding.h"
#include "road/identity/spf/spf.h"

namespace sekisho::sender_id {

struct Pra {
  std::optional<mail::Address> address;  // nothing: the message is ill-formed (RFC 4407 section 2, step 6)
  std::string header;  // "Resent-Sender", "Resent-From", "Sender" or "From": where it was found, or where the search
                       // ended; empty when there was no field at all
  std::string reason;  // for people, printable ASCII: the step that decided
};

// RFC 4407 section 2. Encoded words and comments are no obstacle; two mailboxes, a group, an address literal or an
// address that readers could take in two ways is "malformed".
Pra purported_responsible_address(const mail::Message& message, core::Budget& budget);

// RFC 4405 section 4.2: is the address of SUBMITTER= the PRA? Local parts are compared as they mean: "a"@x is a@x.
bool is_same(const mail::Address& submitter, const Pra& pra);

struct Settings {
  // A v=spf1 record was written for the return path, not for the PRA: it is used for the PRA only when this is set
  // (RFC 4406 section 3.4 would, RFC 4408's IESG note warns of it). For mfrom it always serves.
  bool pra_uses_spf1 = false;
  spf::Settings limits;
};

struct Query {
  core::IpAddress client_ip;
  std::string_view helo, mail_from;  // as the client said them; "" is the null return path
  std::string_view receiver = "unknown";
  std::int64_t now_s = 0;
};

struct Evaluation {
  spf::Evaluation mfrom;
  spf::Evaluation
      pra;  // permerror when no PRA can be found: a required field is absent or broken (RFC 8601 section 2.7.2)
  Pra purported;
  road::Findings findings;  // room "sender_id", see findings.def
};

// One scope alone: identity is the return path or the PRA, "local@domain".
core::Task<spf::Evaluation> evaluate_mfrom(const Query& query, dns::Resolver& resolver, core::Budget& budget,
                                           const Settings& settings);
core::Task<spf::Evaluation> evaluate_pra(const Query& query, std::string_view address, dns::Resolver& resolver,
                                         core::Budget& budget, const Settings& settings);
// Both. An empty budget is permerror, a DNS fault temperror. Query, message and Settings must outlive the task.
core::Task<Evaluation> evaluate(const Query& query, const mail::Message& message, dns::Resolver& resolver,
                                core::Budget& budget, const Settings& settings);

}  // namespace sekisho::sender_id
