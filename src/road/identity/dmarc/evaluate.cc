// RFC 9989 sections 4.10 and 5.3: which record, which policy, which identifiers align.
#include <algorithm>

#include "road/identity/dmarc/discovery.h"

namespace sekisho::dmarc {
namespace {

using road::AuthResult;

void note(Evaluation& e, std::string_view code, AuthResult result, std::string evidence) {
  e.findings.push_back({"dmarc", code, result, std::move(evidence)});
}

struct Discovered {
  Found found = Found::kNothing;
  const Lookup* lookup = nullptr;              // with kRecord
  std::optional<mail::Domain> policy_domain;   // with kRecord; with kSeveral and faults the name that is to blame
  std::optional<mail::Domain> organizational;  // nothing: unknown because of `org_fault`
  Found org_fault = Found::kNothing;
};

// RFC 9989 section 4.10.1: the author domain, then its organizational domain, then the public suffix domain.
core::Task<Discovered> discover_by_tree(Discovery& discovery, const mail::Domain& author) {
  Discovered d;
  const Walk walk = co_await discovery.walk(author);
  const auto& first = walk.stops.front();
  if (is_fault(walk.fault)) {
    d.org_fault = walk.fault;
    d.policy_domain = walk.stops.back().domain;
    d.found = first.lookup->found == Found::kRecord ? Found::kRecord : walk.fault;
    if (d.found == Found::kRecord) d.lookup = first.lookup, d.policy_domain = author;
    co_return d;
  }
  d.organizational = organizational_domain(walk, author);
  const Walk::Stop* chosen = nullptr;
  for (const auto& stop : walk.stops) {
    if (stop.lookup->found == Found::kSeveral && d.found == Found::kNothing) {
      d.found = Found::kSeveral;
      d.policy_domain = stop.domain;
    }
    if (stop.lookup->found != Found::kRecord) continue;
    const bool is_psd = stop.lookup->record.psd == Psd::kYes && stop.domain != author;
    if (stop.domain == author || stop.domain == *d.organizational || is_psd) {
      chosen = &stop;
      break;  // stops go from the author domain upwards: the first is the one preferred
    }
  }
  if (chosen) {
    d.found = Found::kRecord;
    d.lookup = chosen->lookup;
    d.policy_domain = chosen->domain;
  }
  co_return d;
}

// RFC 7489 section 6.6.3: the author domain, then the organizational domain; several records end the search.
core::Task<Discovered> discover_by_list(Discovery& discovery, const mail::Domain& author) {
  Discovered d;
  const auto* psl = discovery.options().psl;
  d.organizational = psl ? psl->organizational_domain(author) : std::nullopt;
  if (!d.organizational) d.organizational = author;  // a public suffix stands for itself only
  d.policy_domain = author;
  const Lookup* lookup = co_await discovery.record_at(author);
  if (lookup->found == Found::kNothing && *d.organizational != author) {
    d.policy_domain = d.organizational;
    lookup = co_await discovery.record_at(*d.organizational);
  }
  d.found = lookup->found;
  d.lookup = lookup;
  co_return d;
}

enum class Aligned : std::uint8_t { kNo, kYes, kUnknown };

struct Alignment {
  Discovery& discovery;
  const mail::Domain& author;
  const Discovered& found;
};

// Relaxed: "they have either the same Organizational Domain"; strict: "they're identical". RFC 9989 section 4.10.2
core::Task<Aligned> align(const Alignment& a, const mail::Domain& identifier, bool strict) {
  if (identifier == a.author) co_return Aligned::kYes;
  if (strict) co_return Aligned::kNo;
  if (!a.found.organizational) co_return Aligned::kUnknown;
  const mail::Domain& organizational = *a.found.organizational;
  // An organizational domain is always the name itself or above it: no look-up is spent on strangers.
  if (!identifier.is_at_or_below(organizational)) co_return Aligned::kNo;
  const auto* psl = a.discovery.options().psl;
  if (a.discovery.options().method == Method::kPsl) {
    const auto other = psl ? psl->organizational_domain(identifier) : std::nullopt;
    co_return other&&* other == organizational ? Aligned::kYes : Aligned::kNo;
  }
  const Walk walk = co_await a.discovery.walk(identifier);
  if (is_fault(walk.fault)) co_return Aligned::kUnknown;
  if (organizational_domain(walk, identifier) != organizational) co_return Aligned::kNo;
  // A registry that publishes a record without psd= must not make its customers one organisation; psd=n says it is one.
  const auto at =
      std::find_if(walk.stops.begin(), walk.stops.end(), [&](const auto& s) { return s.domain == organizational; });
  const bool own = at != walk.stops.end() && at->lookup->record.psd == Psd::kNo;
  co_return !own && psl && psl->is_registry_suffix(organizational) ? Aligned::kNo : Aligned::kYes;
}

struct Outcome {
  bool spf = false, dkim = false;
  bool open = false;  // a temporary fault hides whether there would be an aligned pass
  std::string by;     // what aligned
};

constexpr std::size_t kIdentifiersMax = 20;  // distinct signing domains compared

core::Task<Outcome> align_all(const Alignment& a, const Inputs& inputs) {
  Outcome out;
  const Record& record = a.found.lookup->record;
  if (inputs.spf_domain && (inputs.spf_result == AuthResult::kPass || inputs.spf_result == AuthResult::kTempError)) {
    const Aligned aligned = co_await align(a, *inputs.spf_domain, record.strict_spf);
    const bool pass = inputs.spf_result == AuthResult::kPass;
    out.spf = pass && aligned == Aligned::kYes;
    out.open |= aligned == Aligned::kUnknown || (!pass && aligned == Aligned::kYes);
    if (out.spf) out.by = "SPF " + inputs.spf_domain->text();
  }
  std::vector<std::pair<mail::Domain, Aligned>> judged;
  for (const auto& dkim : inputs.dkim) {
    const bool pass = dkim.result == AuthResult::kPass;
    if (!dkim.signing_domain || (!pass && dkim.result != AuthResult::kTempError)) continue;
    auto at =
        std::find_if(judged.begin(), judged.end(), [&](const auto& j) { return j.first == *dkim.signing_domain; });
    if (at == judged.end()) {
      if (judged.size() >= kIdentifiersMax) break;
      const Aligned aligned = co_await align(a, *dkim.signing_domain, record.strict_dkim);
      at = judged.insert(judged.end(), {*dkim.signing_domain, aligned});
    }
    if (pass && at->second == Aligned::kYes && !out.dkim) {
      out.dkim = true;
      out.by += (out.by.empty() ? "DKIM " : ", DKIM ") + dkim.signing_domain->text();
    }
    out.open |= at->second == Aligned::kUnknown || (!pass && at->second == Aligned::kYes);
  }
  co_return out;
}

Policy one_lower(Policy policy) { return policy == Policy::kReject ? Policy::kQuarantine : Policy::kNone; }

// p for the domain itself; sp for those below it, np for those below it that do not exist. RFC 9989 section 4.10.1
void choose_policy(Evaluation& e, const Record& record, unsigned sample) {
  e.policy_tag = "p";
  std::optional<Policy> policy = record.p;
  if (*e.policy_domain != *e.author_domain) {
    if (record.sp) policy = record.sp, e.policy_tag = "sp";
    if (record.np && e.author_exists == false) policy = record.np, e.policy_tag = "np";
  }
  if (record.bad_policy) policy = Policy::kNone;  // "MUST act as if a record containing "p=none" was retrieved"
  e.published = e.policy = policy.value_or(Policy::kNone);
  e.testing = record.testing;
  if (e.method == Method::kPsl && record.percentage && sample >= *record.percentage) {
    e.policy = one_lower(e.policy);  // RFC 7489 section 6.6.4
  } else if (record.testing && e.policy != Policy::kNone) {
    e.policy = one_lower(e.policy);  // "one level below the specified policy" RFC 9989 section 4.7, t=y
    note(e, "dmarc_testing", AuthResult::kNone, e.policy_domain->text());
  }
}

// Without a valid p= (or with a bad sp= or np=) it depends on rua= whether there is a policy. RFC 9989 section 4.10.1;
// a missing p= is none (4.7), which RFC 7489 section 6.6.3 says only where rua= is there.
bool usable(const Record& record, Method method) {
  if (record.bad_policy) return record.rua_usable;
  return record.p || method == Method::kTree || record.rua_usable;
}

// What stands when no record applies; true when the evaluation ends here.
bool ends_early(Evaluation& e, const Discovered& d) {
  const std::string where = d.policy_domain ? d.policy_domain->text() : e.author_domain->text();
  switch (d.found) {
    case Found::kRecord:
      return false;
    case Found::kNothing:
      e.reason = "no DMARC record for " + e.author_domain->text();
      return true;
    case Found::kSeveral:
      note(e, "dmarc_record_multiple", AuthResult::kNone, where);
      e.reason = "several DMARC records at " + where;
      return true;
    case Found::kTemporary:
      e.result = AuthResult::kTempError;
      e.reason = "the DNS gives no answer for _dmarc." + where;
      return true;
    case Found::kTooComplex:
      e.result = AuthResult::kPermError;
      note(e, "dmarc_too_complex", AuthResult::kPermError, e.author_domain->text());
      e.reason = "the mail's budget of DNS queries is empty";
      return true;
  }
  return true;
}

core::Task<void> look_for_author(Discovery& discovery, Evaluation& e, const Inputs& inputs) {
  if (inputs.spf_domain_exists && inputs.spf_domain == e.author_domain)
    e.author_exists = inputs.spf_domain_exists;
  else
    e.author_exists = co_await discovery.exists(*e.author_domain);
  if (e.author_exists == false) note(e, "dmarc_author_nonexistent", AuthResult::kNone, e.author_domain->text());
}

void conclude(Evaluation& e, const Outcome& outcome, const Discovered& d) {
  e.spf_aligned = outcome.spf;
  e.dkim_aligned = outcome.dkim;
  if (outcome.spf || outcome.dkim) {
    e.result = AuthResult::kPass;
    e.reason = "aligned by " + outcome.by;
  } else if (d.org_fault == Found::kTooComplex && outcome.open) {
    e.result = AuthResult::kPermError;
    note(e, "dmarc_too_complex", AuthResult::kPermError, e.author_domain->text());
    e.reason = "the mail's budget of DNS queries is empty";
  } else if (outcome.open) {
    // "the message cannot be considered to pass or fail" RFC 9989 section 5.3.6
    e.result = AuthResult::kTempError;
    e.reason = "a DNS fault hides whether an identifier is aligned";
  } else {
    e.result = AuthResult::kFail;
    e.reason = "no aligned pass for " + e.author_domain->text() + " (" + std::string(e.policy_tag) + "=" +
               std::string(word(e.published)) + " at " + e.policy_domain->text() + ")";
  }
}

core::Task<Evaluation> evaluate_author(Discovery& discovery, const mail::Domain& author, const Inputs& inputs) {
  Evaluation e;
  e.method = discovery.options().method;
  e.author_domain = author;
  Discovered d;
  if (e.method == Method::kPsl)
    d = co_await discover_by_list(discovery, author);
  else
    d = co_await discover_by_tree(discovery, author);
  e.organizational_domain = d.organizational ? d.organizational : author;
  if (ends_early(e, d)) {
    if (e.result == AuthResult::kNone) co_await look_for_author(discovery, e, inputs);
    co_return e;
  }
  const Record& record = d.lookup->record;
  e.policy_domain = d.policy_domain;
  if (record.syntax_errors) note(e, "dmarc_record_syntax", AuthResult::kNone, e.policy_domain->text());
  if (!usable(record, e.method)) {
    note(e, "dmarc_record_invalid", AuthResult::kNone, e.policy_domain->text());
    e.reason = "the DMARC record at " + e.policy_domain->text() + " has no usable policy";
    co_return e;
  }
  e.record = record;
  if (*e.policy_domain != author) co_await look_for_author(discovery, e, inputs);
  choose_policy(e, record, inputs.sample);
  const Alignment alignment{discovery, author, d};
  const Outcome outcome = co_await align_all(alignment, inputs);
  conclude(e, outcome, d);
  co_await choose_destinations(discovery, e);
  co_return e;
}

// "apply the most strict policy selected among the checks that fail": faults and fails before passes, then by policy.
bool is_stricter(const Evaluation& a, const Evaluation& b) {
  const auto rank = [](const Evaluation& e) {
    switch (e.result) {
      case AuthResult::kFail:
        return e.policy == Policy::kNone ? 2 : 4;
      case AuthResult::kTempError:
        return 3;
      case AuthResult::kPermError:
        return 1;
      case AuthResult::kNone:
        return 1;  // a name nobody vouches for beside one that passes: not a pass
      default:
        return 0;
    }
  };
  return rank(a) != rank(b) ? rank(a) > rank(b) : a.policy > b.policy;
}

}  // namespace

core::Task<Evaluation> evaluate(const Inputs& inputs, dns::Resolver& resolver, Options options, core::Budget& budget) {
  Discovery discovery(resolver, options, budget);
  Evaluation strictest;
  strictest.method = options.method;
  if (!inputs.author_domain) {
    // "If zero or more than one domain is extracted ..., then DMARC validation is not possible" RFC 9989 section 5.3.1
    strictest.reason = "no author domain";
  } else {
    strictest = co_await evaluate_author(discovery, *inputs.author_domain, inputs);
    std::size_t evaluated = 1;
    for (const auto& other : inputs.more_author_domains) {
      if (++evaluated > options.authors_max) {
        note(strictest, "dmarc_authors_capped", AuthResult::kNone,
             std::to_string(inputs.more_author_domains.size() + 1));
        // What was not looked at is not proven.
        if (strictest.result == AuthResult::kPass) strictest.result = AuthResult::kNone;
        break;
      }
      Evaluation next = co_await evaluate_author(discovery, other, inputs);
      if (is_stricter(next, strictest)) strictest = std::move(next);
    }
  }
  if (options.psl && strictest.organizational_domain &&
      options.psl->is_registry_suffix(*strictest.organizational_domain))
    note(strictest, "dmarc_public_suffix", AuthResult::kNone, strictest.organizational_domain->text());
  strictest.queries = discovery.queries();
  co_return strictest;
}

}  // namespace sekisho::dmarc
