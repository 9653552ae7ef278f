// RFC 9990 section 4 (RFC 7489 section 7.1): reports are mail too, and nobody gets them who has not asked for them.
#include <algorithm>

#include "road/identity/dmarc/discovery.h"

namespace sekisho::dmarc {
namespace {

constexpr std::size_t kInsteadMax = 5;  // addresses a destination may name instead

void note(Evaluation& e, std::string_view code, std::string evidence) {
  const auto same = [&](const road::Finding& f) { return f.code == code && f.evidence == evidence; };
  if (std::any_of(e.findings.begin(), e.findings.end(), same)) return;  // rua= and ruf= may name one place
  e.findings.push_back({"dmarc", code, road::AuthResult::kNone, std::move(evidence)});
}

// The same organisation as the domain whose record it is. A registry is not one with those who live below it.
bool is_own(const Discovery& discovery, const Evaluation& e, const mail::Domain& destination) {
  const mail::Domain& policy = *e.policy_domain;
  const mail::Domain& home = e.organizational_domain ? *e.organizational_domain : policy;
  const auto* psl = discovery.options().psl;
  const bool registry = e.record->psd != Psd::kNo && psl && psl->is_registry_suffix(policy);
  if (e.record->psd == Psd::kYes || registry) return destination == policy;
  return destination.is_at_or_below(home) || destination.is_at_or_below(policy);
}

core::Task<void> ask(Discovery& discovery, Evaluation& e, Destination& d, mail::Domain destination) {
  d.asked = report_permission_name(*e.policy_domain, destination);
  Discovery::Leave leave;  // a name that is too long permits nothing
  if (d.asked) {
    auto asking = discovery.permits(*d.asked, destination, d.failure);
    leave = co_await asking;
  }
  switch (leave.found) {
    case Found::kRecord:
      d.permission = Permission::kGiven;
      d.sent_to = leave.instead.empty() ? std::vector<std::string>{d.address} : std::move(leave.instead);
      break;
    case Found::kNothing:
    case Found::kSeveral:
      d.permission = Permission::kRefused;
      note(e, "dmarc_rua_unpermitted", destination.text());
      break;
    case Found::kTemporary:
    case Found::kTooComplex:
      d.permission = Permission::kUnknown;
      note(e, "dmarc_rua_unknown", destination.text());
      break;
  }
}

core::Task<void> choose(Discovery& discovery, Evaluation& e, const std::vector<ReportUri>& uris, bool failure) {
  for (const auto& uri : uris) {
    Destination d;
    d.address = uri.address.text();
    d.failure = failure;
    if (is_own(discovery, e, uri.address.domain())) {
      d.permission = Permission::kOwn;
      d.sent_to = {d.address};
    } else if (discovery.options().verify_destinations) {
      auto asking = ask(discovery, e, d, uri.address.domain());
      co_await asking;
    }
    for (const auto& address : d.sent_to)
      if (!failure && std::find(e.rua.begin(), e.rua.end(), address) == e.rua.end()) e.rua.push_back(address);
    e.destinations.push_back(std::move(d));
  }
}

}  // namespace

std::string_view word(Permission permission) {
  constexpr std::string_view kWords[] = {"own", "given", "refused", "unknown", "not_asked"};
  return kWords[static_cast<std::size_t>(permission)];
}

std::optional<dns::Name> report_permission_name(const mail::Domain& policy_domain, const mail::Domain& destination) {
  return dns::Name::parse(policy_domain.text() + "._report._dmarc." + destination.text());
}

// "If at least one TXT resource record remains in the set after parsing", the destination agrees; a rua= or ruf= in it
// replaces the address, but "the overriding URI MUST use the same destination host".
core::Task<Discovery::Leave> Discovery::permits(dns::Name permission_name, mail::Domain destination, bool failure) {
  Leave leave;
  const dns::AnswerPtr answer = co_await ask(std::move(permission_name), dns::Type::kTxt);
  if (dns::is_temporary(answer->code)) {
    leave.found = fault_of(answer->code);
    co_return leave;
  }
  std::size_t looked = 0;
  for (const auto& text : answer->texts) {
    if (++looked > kTextsMax) break;
    const auto record = parse_record(text, budget_, kInsteadMax);
    if (!record) continue;
    leave.found = Found::kRecord;
    for (const auto& uri : failure ? record->ruf : record->rua)
      if (uri.address.domain() == destination) leave.instead.push_back(uri.address.text());
    break;
  }
  co_return leave;
}

core::Task<void> choose_destinations(Discovery& discovery, Evaluation& e) {
  if (e.record->rua_left_out > 0) note(e, "dmarc_rua_capped", std::to_string(e.record->rua_left_out));
  co_await choose(discovery, e, e.record->rua, false);
  if (discovery.options().failure_destinations) co_await choose(discovery, e, e.record->ruf, true);
}

}  // namespace sekisho::dmarc
