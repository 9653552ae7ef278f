#pragma once
// What is wrong with the records a domain publishes for its mail - SPF, Sender ID, DomainKeys, DKIM, DMARC, MTA-STS,
// TLS-RPT, BIMI - said before strangers find it: each problem with the rule it breaks, its place and its cure. The
// parsers are those that judge mail; here nothing is judged and nothing changed. Texts are outside octets: any value is
// linted, none is an error of ours. Re-entrant; keeps nothing.
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/budget.h"
#include "base/core/result.h"
#include "base/core/task.h"
#include "base/dns/dns.h"
#include "mail/address/address.h"
#include "road/identity/dmarc/dmarc.h"

namespace sekisho::records {

enum class Type : std::uint8_t { kSpf, kSenderId, kDomainKeys, kDkim, kDmarc, kMtaSts, kTlsRpt, kBimi };
inline constexpr std::size_t kTypes = 8;
std::string_view word(Type type);  // "spf" "senderid" "domainkeys" "dkim" "dmarc" "mta-sts" "tls-rpt" "bimi"
std::optional<Type> type_of(std::string_view word);
// Where the record of this type is asked; DKIM and BIMI: under the selector. Nothing when that is no name.
std::optional<mail::Domain> place_of(Type type, const mail::Domain& domain, std::string_view selector = {});
inline constexpr std::string_view kBimiSelector = "default";  // where none is named
// The way back: "s1._domainkey.example.org" is a DKIM key of example.org. Nothing for a name without such a label.
struct Place {
  Type type;
  mail::Domain domain;
  std::string selector;
};
std::optional<Place> place_in(const mail::Domain& name);

// What a text is by its version, or is meant to be: which of the types a stranger's TXT belongs to. A text without a
// version is none.
std::optional<Type> classify(std::string_view text);

enum class Severity : std::uint8_t { kNote, kWarning, kError };
std::string_view word(Severity severity);  // "note" "warning" "error"

// A row of rules.def. %s in a text is the problem's evidence.
struct Rule {
  std::string_view code;
  Severity severity;
  std::string_view rfc, en, ja, fix_en, fix_ja;
};
std::span<const Rule> rules();

struct Problem {
  const Rule* rule = nullptr;
  std::string name;                  // of the record
  std::string evidence;              // printable
  std::optional<std::size_t> octet;  // of the text, from 0
};
using Problems = std::vector<Problem>;

// One TXT with its character-strings as they came; sizes empty: one string.
struct Text {
  std::string octets;
  std::vector<std::size_t> string_sizes;
};
std::vector<Text> texts_of(const dns::Answer& answer);

// What the text alone shows. Linear in its length; an empty budget is the problem "too_complex".
Problems lint_text(Type type, const std::string& name, const Text& text, core::Budget& budget);
// Lines of https://mta-sts.DOMAIN/.well-known/mta-sts.txt (RFC 8461 section 3.2). mx: the domain's exchanges.
Problems lint_sts_policy(const std::string& name, std::string_view policy, std::span<const std::string> mx,
                         core::Budget& budget);

// What a check of an SPF record can cost at most (RFC 7208 section 4.6.4).
struct SpfNode {
  std::string domain, by;  // by: the term that led here
  unsigned depth = 0;
  unsigned lookups = 0;               // of its own terms
  unsigned void_v4 = 0, void_v6 = 0;  // of these: terms that find nothing for a client of that family
  std::string fault;                  // empty, or why a check ends here
};
struct SpfCost {
  unsigned lookups = 0, void_v4 = 0, void_v6 = 0;
  std::size_t answer_octets = 0;  // of the reply with all TXT of the name, without EDNS
  std::vector<SpfNode> tree;      // in the order of evaluation
  bool cut = false;               // there is more than was followed
};

// One record that was asked for.
struct Sheet {
  enum class Status : std::uint8_t { kFound, kNone, kTemporary } status = Status::kNone;
  Type type = Type::kSpf;
  std::string name, selector;
  std::vector<Text> texts;  // all TXT there
  std::string record;       // the one that counts, or the first of several
  std::optional<SpfCost> cost;
  Problems problems;
};
std::string_view word(Sheet::Status status);  // "found" "none" "temperror"

struct Orders {
  mail::Domain domain;
  std::vector<Type> types;             // empty: all; what is named must be there
  std::vector<std::string> selectors;  // of DKIM and BIMI; empty: usual ones are tried, none of them must be there
  std::optional<std::string> sts_policy;
  const dmarc::PublicSuffixList* psl = nullptr;
};
// Asks and lints. Some tens of look-ups, at most what the budget has: without it there is an answer that says so.
core::Task<std::vector<Sheet>> examine(const Orders& orders, dns::Resolver& resolver, core::Budget& budget);

// The DNS as it would be with this record in the place of those of its type; `below` must outlive it.
std::unique_ptr<dns::Resolver> lay_over(Type type, dns::Name name, Text text, dns::Resolver& below);

// What a record to be made shall say. Empty: left out.
struct Wish {
  Type type = Type::kSpf;
  bool a = false, mx = false;                          // SPF, Sender ID
  std::vector<std::string> ip4, ip6, hosts, includes;  // hosts: a:NAME
  std::string redirect, all = "~all", scopes = "mfrom,pra";
  std::string policy = "none", subdomains, nonexistent;  // DMARC
  std::vector<std::string> rua, ruf;                     // with or without mailto:; TLS-RPT too
  bool strict = false, testing = false;                  // testing: DKIM, DomainKeys and DMARC
  bool signs_all = false;                                // DomainKeys
  std::string key;                                       // DKIM: "v=DKIM1; k=...; p=..." of the key
  std::string id, logo, certificate;                     // MTA-STS, BIMI
};
// The text, or what is wrong with the wish: an octet that cannot stand in a record, a value that is missing.
core::Result<std::string, std::string> build_text(const Wish& wish);
// A line for a master file, its strings of at most 255 octets.
std::string zone_line(const mail::Domain& name, std::string_view text);

}  // namespace sekisho::records
