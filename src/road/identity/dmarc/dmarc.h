#pragma once
// DMARC: is the author domain a mail shows backed by SPF or DKIM, and what does its owner want done if not.
// RFC 9989 (DNS tree walk) by default, RFC 7489 (public suffix list) as a setting. No opinion is formed here: the
// answer says what the owner asked for; road/verdict decides. All calls are re-entrant; nothing is kept between them.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/budget.h"
#include "base/core/task.h"
#include "base/dns/dns.h"
#include "mail/address/address.h"
#include "road/finding/finding.h"
#include "road/identity/dmarc/psl.h"

namespace sekisho::dmarc {

enum class Policy : std::uint8_t { kNone, kQuarantine, kReject };
std::string_view word(Policy policy);  // "none" "quarantine" "reject"

enum class Psd : std::uint8_t { kUnknown, kYes, kNo };

struct ReportUri {
  mail::Address address;         // of a mailto: URI, percent-decoded; its query part is dropped
  std::uint64_t max_octets = 0;  // "!10m" of RFC 7489; RFC 9989 has no such limit; 0 = none
  auto operator<=>(const ReportUri&) const = default;
};

// One record "v=DMARC1; ..." (RFC 9989 section 4.7). Unknown tags are ignored, a bad value is as if its tag were
// missing.
struct Record {
  std::optional<Policy> p, sp, np;
  bool bad_policy = false;  // p, sp or np is there with a value that is no policy
  bool strict_dkim = false, strict_spf = false;
  Psd psd = Psd::kUnknown;
  bool testing = false;                // t=y
  std::optional<unsigned> percentage;  // pct= of RFC 7489; RFC 9989 ignores it
  std::vector<ReportUri> rua, ruf;     // mailto only, no double, at most the cap given to the parser
  unsigned rua_left_out = 0;           // destinations over the cap or of other schemes
  bool rua_usable = false;             // at least one syntactically valid URI, whatever its scheme
  std::string fo = "0";
  bool syntax_errors = false;
};
// For who must say what is wrong with it: each tag in its order, and each part that is none. Views into the text.
enum class TagFault : std::uint8_t { kNone, kNoTag, kOctets, kTwice, kValue };
struct TagRead {
  std::string_view name, value;
  TagFault fault = TagFault::kNone;
};
// Nothing when it is not a DMARC record at all: the version must come first and match exactly (RFC 9989 section 4.7).
std::optional<Record> parse_record(std::string_view text, core::Budget& budget, std::size_t uri_max = 5,
                                   std::vector<TagRead>* tags = nullptr);

enum class Method : std::uint8_t { kTree, kPsl };
std::string_view word(Method method);  // "tree" "psl"

struct Options {
  Method method = Method::kTree;
  const PublicSuffixList* psl = nullptr;  // needed for kPsl; with kTree it keeps strangers under one registry apart
  std::size_t rua_max = 5;                // destinations looked at per record
  bool verify_destinations = true;        // ask foreign domains whether they take the reports; else they are left out
  bool failure_destinations = false;      // look at ruf= too
  std::size_t authors_max = 4;            // author domains evaluated when From names several
};

struct DkimInput {
  road::AuthResult result = road::AuthResult::kNone;
  std::optional<mail::Domain> signing_domain;
};
struct Inputs {
  std::optional<mail::Domain> author_domain;      // none: From has no usable address
  std::vector<mail::Domain> more_author_domains;  // when one From names several domains (RFC 9989 section 11.5)
  road::AuthResult spf_result = road::AuthResult::kNone;
  std::optional<mail::Domain> spf_domain;  // the MAIL FROM identity (of HELO when the return path is null)
  std::optional<bool> spf_domain_exists;   // what SPF's look-up told of it: not asked again for the same author domain
  std::vector<DkimInput> dkim;
  unsigned sample = 0;  // 0..99, drawn per mail: pct=N covers samples below N (RFC 7489 only)
};

// One address of rua= or ruf= (RFC 9990 section 4, RFC 7489 section 7.1).
enum class Permission : std::uint8_t { kOwn, kGiven, kRefused, kUnknown, kNotAsked };
std::string_view word(Permission permission);  // "own" "given" "refused" "unknown" "not_asked"
struct Destination {
  std::string address;
  bool failure = false;  // of ruf=
  Permission permission = Permission::kNotAsked;
  std::optional<dns::Name> asked;    // NAME._report._dmarc.OTHER, where somebody else was asked
  std::vector<std::string> sent_to;  // where reports may go: the address, or what its domain named instead
};

struct Evaluation {
  road::AuthResult result = road::AuthResult::kNone;  // none pass fail temperror permerror
  Policy policy = Policy::kNone;     // what applies to this mail should it fail: p, sp or np, after t= and pct=
  Policy published = Policy::kNone;  // the same before t= and pct=
  std::string_view policy_tag = "";  // "p" "sp" "np": where it was read; empty without a record
  bool testing = false;
  std::optional<mail::Domain> author_domain, organizational_domain, policy_domain;
  std::optional<bool> author_exists;  // false: NXDOMAIN (RFC 8020); asked only when the author domain has no record
  bool spf_aligned = false, dkim_aligned = false;  // passed and aligned
  std::vector<std::string> rua;                    // addresses that may get aggregate reports on this mail
  std::vector<Destination> destinations;           // all that the record names, within the cap
  std::optional<Record> record;
  Method method = Method::kTree;
  std::string reason;  // one English line for people
  road::Findings findings;
  unsigned queries = 0;  // DMARC look-ups made (from the cache or not)
};
// A DNS fault gives temperror, never none or pass. An empty budget gives permerror with the finding dmarc_too_complex:
// give it a budget of its own, or a mail that wastes look-ups elsewhere escapes its owner's policy.
core::Task<Evaluation> evaluate(const Inputs& inputs, dns::Resolver& resolver, Options options, core::Budget& budget);

struct Shown {
  enum class Status : std::uint8_t { kFound, kPublicSuffix, kTemporary, kTooComplex } status = Status::kFound;
  std::optional<mail::Domain> organizational_domain;  // none for a public suffix (psl) and on faults
  struct Step {
    mail::Domain domain;
    std::string text;  // the one record found there, printable; empty when there is none
    bool several = false;
  };
  std::vector<Step> steps;  // tree only: the names asked, longest first
};
// `sekisho dmarc show --organizational-domain NAME`
core::Task<Shown> show(mail::Domain domain, dns::Resolver& resolver, Options options, core::Budget& budget);

// RFC 9990 section 4 (RFC 7489 section 7.1): "example.com._report._dmarc.receiver.example"; nothing when it is too
// long.
std::optional<dns::Name> report_permission_name(const mail::Domain& policy_domain, const mail::Domain& destination);

}  // namespace sekisho::dmarc
