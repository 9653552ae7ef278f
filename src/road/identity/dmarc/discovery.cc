#include "road/identity/dmarc/discovery.h"

#include "base/core/text.h"

namespace sekisho::dmarc {
namespace {

constexpr std::size_t kWalkLabels = 7;       // RFC 9989 section 4.10 step 4: after the first query at most seven labels
constexpr std::size_t kShownTextMax = 1000;  // for people

mail::Domain last_labels(mail::Domain domain, std::size_t labels) {
  while (domain.labels() > labels) domain = *domain.parent();
  return domain;
}

// "Records that do not start with a "v" tag that identifies the current version of DMARC are discarded. If multiple
// DMARC Policy Records are returned, they are all discarded." RFC 9989 section 4.10 step 2
void pick(const dns::Answer& answer, std::size_t rua_max, core::Budget& budget, Lookup& lookup) {
  std::size_t looked = 0;
  for (const auto& text : answer.texts) {
    if (++looked > kTextsMax) break;
    auto record = parse_record(text, budget, rua_max);
    if (!record && budget.steps == 0) {
      lookup.found = Found::kTooComplex;
      return;
    }
    if (!record) continue;
    if (lookup.found == Found::kRecord) {
      lookup.found = Found::kSeveral;
      return;
    }
    lookup.found = Found::kRecord;
    lookup.record = std::move(*record);
    lookup.text = core::printable(text, kShownTextMax);
  }
}

}  // namespace

core::Task<dns::AnswerPtr> Discovery::ask(dns::Name name, dns::Type type) {
  ++queries_;
  dns::AnswerPtr answer = resolver_.ready(name, type);
  if (!answer) answer = co_await resolver_.lookup(std::move(name), type, budget_);
  co_return answer;
}

core::Task<const Lookup*> Discovery::record_at(mail::Domain domain) {
  const auto known = seen_.find(domain);
  if (known != seen_.end()) co_return &known->second;
  Lookup lookup;
  auto name = dns::Name::parse("_dmarc." + domain.text());
  if (name) {  // a name with no room for the label can have no record
    const dns::AnswerPtr answer = co_await ask(*name, dns::Type::kTxt);
    if (dns::is_temporary(answer->code)) {
      lookup.found = fault_of(answer->code);
    } else {
      lookup.name_seen = answer->code != dns::Code::kNxDomain;
      pick(*answer, options_.rua_max, budget_, lookup);
    }
  }
  co_return &seen_.insert_or_assign(std::move(domain), std::move(lookup)).first->second;
}

core::Task<Walk> Discovery::walk(mail::Domain start) {
  Walk walk;
  std::optional<mail::Domain> target = std::move(start);
  while (target) {
    const Lookup* lookup = co_await record_at(*target);
    walk.stops.push_back({*target, lookup});
    if (is_fault(lookup->found)) {
      walk.fault = lookup->found;
      break;
    }
    // "If a single record remains and it contains a "psd=n" or "psd=y" tag, stop."
    if (lookup->found == Found::kRecord && lookup->record.psd != Psd::kUnknown) break;
    target = target->parent();
    if (target) target = last_labels(std::move(*target), kWalkLabels);
  }
  co_return walk;
}

mail::Domain organizational_domain(const Walk& walk, const mail::Domain& start) {
  const mail::Domain* highest = &start;
  for (const auto& stop : walk.stops) {
    if (stop.lookup->found != Found::kRecord) continue;
    // "If a valid DMARC Policy Record contains the "psd" tag set to "n", this is the Organizational Domain"
    if (stop.lookup->record.psd == Psd::kNo) return stop.domain;
    // "... other than the one for the domain where the tree walk started, contains the "psd" tag set to "y", the
    // Organizational Domain is the domain one label below this one": counted in the name the walk started at, because
    // the shortcut for long names may have jumped over it.
    if (stop.lookup->record.psd == Psd::kYes && stop.domain != start)
      return last_labels(start, stop.domain.labels() + 1);
    highest = &stop.domain;
  }
  // "Otherwise, select the DMARC Policy Record found at the name with the fewest number of labels."
  return *highest;
}

// RFC 9989 section 3.2.13: a non-existent domain is one whose query is answered NXDOMAIN (RFC 8020).
core::Task<std::optional<bool>> Discovery::exists(mail::Domain domain) {
  const auto known = seen_.find(domain);
  if (known != seen_.end() && known->second.name_seen) co_return std::optional<bool>(true);
  const dns::Name name = domain.name();
  const dns::AnswerPtr answer = co_await ask(name, dns::Type::kA);
  if (dns::is_temporary(answer->code)) co_return std::optional<bool>();
  // With a CNAME the name itself is there, even where its target is not.
  co_return std::optional<bool>(answer->code != dns::Code::kNxDomain || !(answer->canonical == name));
}

core::Task<Shown> show(mail::Domain domain, dns::Resolver& resolver, Options options, core::Budget& budget) {
  Shown shown;
  if (options.method == Method::kPsl) {
    if (options.psl) shown.organizational_domain = options.psl->organizational_domain(domain);
    if (!shown.organizational_domain) shown.status = Shown::Status::kPublicSuffix;
    co_return shown;
  }
  Discovery discovery(resolver, options, budget);
  const Walk walk = co_await discovery.walk(domain);
  for (const auto& stop : walk.stops)
    shown.steps.push_back({stop.domain, stop.lookup->text, stop.lookup->found == Found::kSeveral});
  if (is_fault(walk.fault)) {
    const bool temporary = walk.fault == Found::kTemporary;
    shown.status = temporary ? Shown::Status::kTemporary : Shown::Status::kTooComplex;
  } else {
    shown.organizational_domain = organizational_domain(walk, domain);
  }
  co_return shown;
}

}  // namespace sekisho::dmarc
