#pragma once
// ARC (RFC 8617): what earlier handlers of a mail saw, each set of three fields sealed over those before it. A chain
// that passes proves who handled the mail, not that they told the truth: only sealers the operator trusts count for
// anything. Re-entrant; keeps nothing after returning.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/budget.h"
#include "base/core/result.h"
#include "base/core/task.h"
#include "base/dns/dns.h"
#include "mail/address/address.h"
#include "mail/message/message.h"
#include "road/finding/finding.h"
#include "road/identity/authres/authres.h"
#include "road/identity/signature/key.h"

namespace sekisho::arc {

inline constexpr unsigned kMaxSets = 50;  // RFC 8617 section 4.2.1

struct Set {
  unsigned instance = 0;
  std::string sealer;  // d= of ARC-Seal as A-labels
  std::string signer;  // d= of ARC-Message-Signature
  std::string
      results;  // ARC-Authentication-Results behind "i=N;", folds kept: outside text, read it with authres::parse
  std::string seal_key, message_key;  // s._domainkey.d of the two signatures, where they can be asked
};

struct Evaluation {
  road::AuthResult result = road::AuthResult::kNone;  // none pass fail, temperror when the DNS does not answer
  unsigned instance = 0;                              // the highest there is
  std::vector<Set> sets;  // by instance, 1 first; empty unless the structure of all sets is good
  std::string reason;     // for people, printable ASCII
  road::Findings findings;
  bool sealable = true;  // false: the newest seal says cv=fail, and nothing may be added (section 5.1)
};

struct Options {
  std::int64_t now_s = 0;  // for x=
  std::int64_t skew_s = 300;
  // The newest message signature held when the mail came, and we have changed it since (section 5.1 wants the status
  // of its arrival): the seals alone are looked at.
  bool changed_since = false;
};

// Section 5.2: structure, the newest message signature, every seal. rsa-sha256 with 1024 bits or more, ed25519-sha256.
// An empty budget is fail ("too complex").
core::Task<Evaluation> verify(const mail::Message& message, dns::Resolver& resolver, const Options& options,
                              core::Budget& budget);

// The operator's list: whose word counts.
struct Trusted {
  mail::Domain sealer;
  std::string why;
};
// A set whose results may override a DMARC failure (section 7.2.1): the chain passes, every sealer from that set on is
// trusted, and the set says that DMARC passed for the author domain. The oldest such set; null when there is none.
const Set* vouching_set(const Evaluation& chain, const mail::Domain& author_domain, const std::vector<Trusted>& trusted,
                        core::Budget& budget);

enum class SealError {
  kOptions,    // a selector, field name or authserv-id that may not stand in a field
  kKey,        // the key cannot make this signature
  kTooMany,    // 50 sets are there already
  kClosed,     // the newest seal says cv=fail: nothing may be added (section 5.1)
  kTemporary,  // the chain could not be checked now
  kTooComplex,
};
struct SealOptions {
  mail::Domain domain;
  std::string selector;
  std::vector<std::string> headers;   // h= of the message signature; empty: those of RFC 6376 section 5.4.1 and every
                                      // DKIM-Signature
  std::optional<std::int64_t> now_s;  // t=
};
// The three fields of the next set, to be put on top of the message in this order: ARC-Seal, ARC-Message-Signature,
// ARC-Authentication-Results; each with its CRLF. `results`: what we found, with our authserv-id.
core::Result<std::string, SealError> seal(const mail::Message& message, const Evaluation& chain,
                                          const authres::Header& results, const signature::PrivateKey& key,
                                          const SealOptions& options);

// What the message's own Authentication-Results of this authserv-id say, joined (section 5.1 step 2).
authres::Header results_of(const mail::Message& message, std::string_view authserv_id, core::Budget& budget);

}  // namespace sekisho::arc
