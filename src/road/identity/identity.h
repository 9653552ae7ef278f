#pragma once
// The third stage: a sender's papers are read. Two moments: what the envelope proves (SPF of both identities, the
// reverse name) can be asked while the client still talks; what the message proves (author, DKIM, DMARC) at its end.
// Facts only; verdict decides. Re-entrant; Settings must outlive the tasks.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/core/budget.h"
#include "base/core/clock.h"
#include "base/core/ip_address.h"
#include "base/core/task.h"
#include "base/dns/dns.h"
#include "mail/message/message.h"
#include "road/finding/finding.h"
#include "road/identity/arc/arc.h"
#include "road/identity/author/author.h"
#include "road/identity/dkim/dkim.h"
#include "road/identity/dmarc/dmarc.h"
#include "road/identity/domainkeys/domainkeys.h"
#include "road/identity/guard/guard.h"
#include "road/identity/iprev/iprev.h"
#include "road/identity/sender_id/sender_id.h"
#include "road/identity/smime/smime.h"
#include "road/identity/spf/spf.h"

namespace sekisho::identity {

struct Settings {
  std::string host;  // our name: %{r} of SPF
  bool sender_id = true;
  bool sender_id_pra_spf1 = false;  // sender_id::Settings::pra_uses_spf1
  bool submitter = false;           // SUBMITTER is offered, and must be the PRA (RFC 4405)
  bool dkim_legacy = false;
  std::vector<arc::Trusted> trusted_sealers;
  dmarc::Method dmarc_method = dmarc::Method::kTree;
  const dmarc::PublicSuffixList* psl = nullptr;
  std::shared_ptr<const guard::List> guard;   // protected domains and declared forwarders; null: none
  std::shared_ptr<const smime::Trust> smime;  // the CAs whose signers count; null: S/MIME is not looked at
  std::int64_t time_ms = 20'000;              // SPF's elapsed time (RFC 7208 section 4.6.4)
};

struct Client {
  core::IpAddress ip;
  std::string helo;       // as said
  std::string mail_from;  // as said, "" is the null return path
};

struct Papers {
  spf::Evaluation spf_mfrom;  // of the null return path: postmaster@helo (RFC 7208 section 2.4)
  spf::Evaluation spf_helo;   // an empty domain: not asked
  iprev::Evaluation iprev;
  std::optional<sender_id::Evaluation> sender_id;
  std::vector<dkim::Verification> dkim;
  author::Author author;
  domainkeys::Evaluation domainkeys;
  arc::Evaluation arc;
  dmarc::Evaluation dmarc;
  std::string vouched_by;  // the trusted ARC sealer whose word explains a DMARC failure; empty when there is none
  guard::Evaluation guard;
  std::optional<smime::Evaluation> smime;
  std::string forwarded_by;  // the declared forwarder that explains a DMARC failure; empty when there is none
  road::Findings findings;   // of all of the above, in the order of the road
};

// SPF of MAIL FROM: the question that decides most.
core::Task<void> read_mail_from(const Client& client, const Settings& settings, dns::Resolver& resolver,
                                const core::Clock& clock, std::int64_t now_s, core::Budget& budget, Papers& papers);
// What is asked besides, side by side: SPF of the HELO name and the reverse name.
core::Task<void> read_client(const Client& client, const Settings& settings, dns::Resolver& resolver,
                             const core::Clock& clock, std::int64_t now_s, core::Budget& budget, Papers& papers);
// A domain whose SPF record takes all look-ups it may take has had its share: nothing is asked besides.
bool spent(const Papers& papers);
// Author, Sender ID, DomainKeys, DKIM, ARC, S/MIME, then DMARC, which rests on author, DKIM and SPF, then the guard of
// protected domains, which rests on all of them. sample: 0..99, drawn per mail (pct= of RFC 7489). pool: where the
// octets of a big message are hashed; null: here.
core::Task<void> read_message(const Client& client, const mail::Message& message, const Settings& settings,
                              dns::Resolver& resolver, const core::Clock& clock, std::int64_t now_s, unsigned sample,
                              core::Budget& budget, Papers& papers, io::Pool* pool = nullptr);

// What DMARC is asked, of papers that are read as far as DKIM. ambiguous: readers could see different authors, so every
// owner they might see is asked, and a pass speaks for nobody.
struct DmarcQuestion {
  dmarc::Inputs inputs;
  bool ambiguous = false;
};
DmarcQuestion dmarc_question(const Papers& papers, unsigned sample);

// The domain of a return path or HELO name, when it is one.
std::optional<mail::Domain> domain_of(std::string_view mail_from);

}  // namespace sekisho::identity
