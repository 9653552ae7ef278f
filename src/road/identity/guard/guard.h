#pragma once
// The From that a phone shows: domains of one's own and of partners which the operator protects. Who writes as one of
// them must prove it by an aligned identity (as DMARC has it, RFC 9989 section 4.4, but without asking whether the
// domain publishes a policy), or come through a forwarder the operator declared. And who only looks like one of them is
// found: by domain (UTS 39 skeleton) and by display name, which is all that many people see. Facts only; the policy
// table decides. No network: names out of a header are compared, never looked up. Re-entrant.
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/core/network.h"
#include "mail/address/address.h"
#include "road/finding/finding.h"
#include "road/identity/author/author.h"
#include "road/identity/dmarc/dmarc.h"

namespace sekisho::guard {

enum class Demand : std::uint8_t { kReject, kMark };

struct Protected {
  mail::Domain name;
  bool subdomains = true;  // what lies below is protected too
  bool strict = false;     // only the author domain itself proves it, not another one of the same organisation
  bool trust_arc = false;  // a trusted ARC sealer's word that DMARC passed counts as proof
  Demand demand = Demand::kReject;
  std::string why;
  std::vector<std::string> display_names;  // names that only its proven mail may show
};
// Known by address, or by what SPF of MAIL FROM or a DKIM signature proves it to be.
struct Forwarder {
  std::optional<core::Network> network;
  std::optional<mail::Domain> domain;
  std::string name;  // of the two the one that is set, as the operator wrote it
  std::string why;
};

// What the proof rests on.
enum class Evidence : std::uint8_t { kNothing, kAddress, kSignature, kArc, kForwarder };
std::string_view word(Evidence evidence);  // "" "address" "signature" "arc" "forwarder"

struct Identity {
  Evidence kind = Evidence::kNothing;  // kAddress: SPF of MAIL FROM; kSignature: a DKIM signature
  road::AuthResult result = road::AuthResult::kNone;
  std::optional<mail::Domain> domain;
};
struct Inputs {
  const author::Author& author;
  const dmarc::Evaluation& dmarc;
  const dmarc::PublicSuffixList* psl = nullptr;
  std::vector<Identity> identities;
  std::string vouched_by;  // the trusted ARC sealer that says DMARC passed for the author; "" when there is none
  core::IpAddress client_ip;
};

struct Evaluation {
  road::AuthResult result = road::AuthResult::kNone;  // none: no protected domain is shown; pass fail temperror
  std::string domain;                                 // the author's protected domain, as A-labels
  std::string why;                                    // of its row, or of the forwarder that explains it
  Evidence rests_on = Evidence::kNothing;
  std::string identity;  // what proves it: a domain, a sealer, a network
  road::Findings findings;
};

// The operator's two lists, made once per config, then immutable and thread-safe.
class List {
 public:
  List(std::vector<Protected> domains, std::vector<Forwarder> forwarders, const dmarc::PublicSuffixList* psl);

  bool empty() const { return domains_.empty() && forwarders_.empty(); }
  const std::vector<Forwarder>& forwarders() const { return forwarders_; }
  const Protected* covering(const mail::Domain& domain) const;  // the most specific row; null when none
  // The row a domain is made to look like, itself not covered; null when none.
  const Protected* imitated(const mail::Domain& domain) const;
  // The row whose domain or display name stands in a text that people see (NFKC, nothing invisible), or is imitated
  // there; null when none. shown: what was found.
  const Protected* shown_in(const std::string& text, std::string& shown) const;

 private:
  const Protected* imitated_run(const std::string& look) const;
  const Protected* domain_in(std::string_view text, bool ascii, std::string& shown) const;
  void learn(std::size_t row, const dmarc::PublicSuffixList* psl);

  struct Owner {  // the label that people know: "docomo" of docomo.ne.jp
    std::string label;
    std::size_t row;
  };
  struct Name {
    std::string look;
    std::size_t row;
  };
  std::vector<Protected> domains_;
  std::vector<Forwarder> forwarders_;
  std::unordered_map<std::string, std::size_t> names_;  // by domain text
  std::unordered_map<std::string, std::size_t> looks_;  // by skeleton of the whole name, with dots and with hyphens
  std::unordered_map<std::string, Owner> owners_;       // by skeleton of the label
  std::vector<Name> display_names_;
};

Evaluation evaluate(const Inputs& inputs, const List& list);
// The declared forwarder this mail came through; null when none.
const Forwarder* forwarder_of(const Inputs& inputs, const List& list);

// What is left of a name for the eye: UTS 39 skeleton, letter case gone too, since 0 and O, 1 and I look alike.
std::string look(std::string_view utf8);

}  // namespace sekisho::guard
