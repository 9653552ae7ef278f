// From facts to cells, from cells to one verdict.
#include <algorithm>

#include "base/core/text.h"
#include "road/verdict/cells.h"

namespace sekisho::verdict {
namespace {

using road::AuthResult;

struct Hit {
  Cell cell;
  std::string evidence;
  std::string_view room = row(cell).room, code = row(cell).code;  // of the finding where there is one
};
using Hits = std::vector<Hit>;

// Findings that mean a cell by themselves; those of SPF, DKIM and DMARC results come in as facts.
struct FindingCell {
  std::string_view code;
  Cell cell;
};
constexpr FindingCell kFindingCells[] = {
    {"denied_by_operator", Cell::k_denied},
    {"early_talker", Cell::k_early_talker},
    {"relay_origin_unknown", Cell::k_relay_origin_unknown},
    {"dha", Cell::k_harvest},
    {"dha_prefix", Cell::k_harvest},
    {"relay_denied", Cell::k_relay_denied},
    {"recipient_unknown", Cell::k_recipient_unknown},
    {"recipient_routing", Cell::k_recipient_routing},
    {"other_next_hop", Cell::k_other_next_hop},
    {"state_disk_short", Cell::k_state_disk_short},
    {"message_loop", Cell::k_message_loop},
    {"dmarc_author_nonexistent", Cell::k_author_nonexistent},
    {"submitter_mismatch", Cell::k_submitter_mismatch},
    {"from_multiple", Cell::k_from_multiple},
    {"from_missing", Cell::k_from_missing},
    {"from_multiple_addresses", Cell::k_from_multiple_addresses},
    {"from_ambiguous", Cell::k_from_ambiguous},
    {"from_confusable", Cell::k_from_confusable},
    {"display_name_address_mismatch", Cell::k_display_name_address_mismatch},
    {"smime_fail", Cell::k_smime_fail},
    {"protected_unproven", Cell::k_protected_reject},
    {"protected_doubtful", Cell::k_protected_mark},
    {"protected_lookalike", Cell::k_protected_lookalike},
    {"display_name_protected", Cell::k_display_name_protected},
    {"display_name_control", Cell::k_display_name_control},
    {"non_ascii_address", Cell::k_non_ascii_address},
    {"header_malformed", Cell::k_header_malformed},
    {"from_in_fold", Cell::k_from_ambiguous},
    {"bare_cr", Cell::k_bare_cr},
    {"bare_lf", Cell::k_bare_lf},
    {"dkim_from_unsigned", Cell::k_dkim_from_unsigned},
    {"dmarc_too_complex", Cell::k_dmarc_permerror},
    {"too_complex", Cell::k_too_complex},
    {"rating_low", Cell::k_rating_low},
};

void read_findings(const Facts& facts, Hits& hits) {
  for (const auto& finding : facts.findings) {
    const auto known = std::find_if(std::begin(kFindingCells), std::end(kFindingCells),
                                    [&](const auto& k) { return k.code == finding.code; });
    if (known != std::end(kFindingCells))
      hits.push_back({known->cell, finding.evidence, finding.room, finding.code});
    else if (finding.code.starts_with("limit_"))
      hits.push_back({Cell::k_rate_limit, finding.evidence, finding.room, finding.code});
  }
}

bool any_dkim(const Facts& facts, AuthResult result) {
  return std::any_of(facts.dkim.begin(), facts.dkim.end(), [&](const auto& d) { return d.result == result; });
}

// Something already vouches for the mail, so a fault elsewhere leaves no question open.
bool proven(const Facts& facts) {
  return facts.dmarc.result == AuthResult::kPass || facts.spf_mail_from.result == AuthResult::kPass ||
         any_dkim(facts, AuthResult::kPass);
}

// "451 for at most 4 hours per (network, domain), then not proven"
void temporary(const Facts& facts, const Policy& policy, Cell cell, const std::string& domain, Hits& hits) {
  const bool expired = facts.temperror_age_s >= policy.temperror_max_s;
  hits.push_back({expired ? Cell::k_temperror_expired : cell, domain});
}

void read_connection(const Facts& facts, Hits& hits) {
  if (facts.ruling == Ruling::kDeny) hits.push_back({Cell::k_denied, facts.ruling_evidence});
  if (facts.iprev == AuthResult::kFail) hits.push_back({Cell::k_iprev_fail, ""});
  if (facts.iprev == AuthResult::kPermError) hits.push_back({Cell::k_iprev_none, ""});
}

void read_envelope(const Facts& facts, const Policy& policy, Hits& hits) {
  if (facts.received_count > policy.received_max)
    hits.push_back({Cell::k_message_loop, std::to_string(facts.received_count)});
  if (facts.size_max_octets > 0 && facts.size_octets > facts.size_max_octets)
    hits.push_back({Cell::k_size_exceeded, std::to_string(facts.size_max_octets)});
  if (facts.recipient_null_mx) hits.push_back({Cell::k_recipient_null_mx, ""});
  if (facts.null_return_path) return;  // there is no domain to ask about
  switch (facts.sender_domain) {
    case SenderDomain::kNonExistent:
      hits.push_back({Cell::k_sender_domain_nonexistent, facts.mail_from_domain});
      break;
    case SenderDomain::kNullMx:
      hits.push_back({Cell::k_sender_domain_null_mx, facts.mail_from_domain});
      break;
    case SenderDomain::kNoAddress:
      hits.push_back({Cell::k_sender_domain_no_address, facts.mail_from_domain});
      break;
    case SenderDomain::kTemporary:
      temporary(facts, policy, Cell::k_sender_domain_temperror, facts.mail_from_domain, hits);
      break;
    case SenderDomain::kNotAsked:
    case SenderDomain::kGood:
      break;
  }
}

void read_spf(const Facts& facts, const Policy& policy, Hits& hits) {
  const auto& spf = facts.spf_mail_from;
  // "Alone": a forwarded mail whose signature still proves it has nothing to answer for (RFC 7208 section 8.4).
  if (spf.result == AuthResult::kFail && !proven(facts)) hits.push_back({Cell::k_spf_fail, spf.domain});
  if (spf.result == AuthResult::kSoftFail) hits.push_back({Cell::k_spf_softfail, spf.domain});
  if (spf.result == AuthResult::kPermError) hits.push_back({Cell::k_spf_permerror, spf.domain});
  if (spf.result == AuthResult::kTempError && !proven(facts))
    temporary(facts, policy, Cell::k_spf_temperror, spf.domain, hits);
  if (facts.spf_helo.result == AuthResult::kFail) hits.push_back({Cell::k_spf_helo_fail, facts.spf_helo.domain});
}

void read_dkim(const Facts& facts, const Policy& policy, Hits& hits) {
  if (any_dkim(facts, AuthResult::kPass)) return;
  const auto first = [&](AuthResult result) -> const DkimFacts* {
    for (const auto& dkim : facts.dkim)
      if (dkim.result == result && !dkim.testing) return &dkim;
    return nullptr;
  };
  if (const auto* dkim = first(AuthResult::kTempError); dkim && !proven(facts))
    temporary(facts, policy, Cell::k_dkim_temperror, dkim->domain, hits);
  if (const auto* failed = first(AuthResult::kFail)) {
    hits.push_back({Cell::k_dkim_fail, failed->domain});
  } else if (const auto* weak = first(AuthResult::kPolicy)) {
    hits.push_back({Cell::k_dkim_policy, weak->domain});
  } else if (const auto* broken = first(AuthResult::kPermError)) {
    hits.push_back({Cell::k_dkim_permerror, broken->domain});
  }
}

Cell dmarc_cell(const DmarcFacts& dmarc) {
  switch (dmarc.policy) {
    case OwnerPolicy::kReject:
      return Cell::k_dmarc_reject;
    case OwnerPolicy::kQuarantine:
      return Cell::k_dmarc_quarantine;
    case OwnerPolicy::kNone:
      break;
  }
  return Cell::k_dmarc_none;
}

void read_dmarc(const Facts& facts, const Policy& policy, Hits& hits) {
  const auto& dmarc = facts.dmarc;
  if (dmarc.result == AuthResult::kFail) {
    const bool explained = facts.explained != Override::kNone && dmarc.policy != OwnerPolicy::kNone;
    if (explained)
      hits.push_back({Cell::k_dmarc_explained, dmarc.author_domain + " (" + std::string(word(facts.explained)) + ")"});
    else
      hits.push_back({dmarc_cell(dmarc), dmarc.author_domain});
  }
  if (dmarc.result == AuthResult::kTempError)
    temporary(facts, policy, Cell::k_dmarc_temperror, dmarc.author_domain, hits);
  for (const auto& finding : facts.findings)
    if (finding.code == "protected_temperror")
      temporary(facts, policy, Cell::k_protected_temperror, finding.evidence, hits);
  if (dmarc.result == AuthResult::kPermError) hits.push_back({Cell::k_dmarc_permerror, dmarc.author_domain});
  const bool open = facts.spf_mail_from.result == AuthResult::kTempError || any_dkim(facts, AuthResult::kTempError) ||
                    dmarc.result == AuthResult::kTempError;
  if (!proven(facts) && !open) hits.push_back({Cell::k_unauthenticated, ""});
}

Hits collect(const Facts& facts, const Policy& policy, Moment moment) {
  Hits hits;
  read_findings(facts, hits);
  read_connection(facts, hits);
  read_envelope(facts, policy, hits);
  read_spf(facts, policy, hits);
  if (moment == Moment::kMessage) {
    read_dkim(facts, policy, hits);
    read_dmarc(facts, policy, hits);
  }
  return hits;
}

bool dns_failing(const Hits& hits, const Policy& policy) {
  return std::any_of(hits.begin(), hits.end(), [&](const auto& hit) {
    const bool fault = hit.cell == Cell::k_spf_temperror || hit.cell == Cell::k_dkim_temperror ||
                       hit.cell == Cell::k_dmarc_temperror || hit.cell == Cell::k_protected_temperror ||
                       hit.cell == Cell::k_sender_domain_temperror;
    return fault && policy.at(hit.cell) == Action::kDefer;
  });
}

// While the DNS fails for this mail, what rests on the absence of a name alone is not final either.
Action patient(Cell cell, Action action) {
  const bool absence = cell == Cell::k_sender_domain_nonexistent || cell == Cell::k_author_nonexistent;
  return absence ? std::min(action, Action::kDefer) : action;
}

// Before the message is here a mail can only be refused; marks wait for the last moment.
bool applies(const Facts& facts, Cell cell, Action action, Moment moment) {
  const CellRow& cell_row = row(cell);
  if (action == Action::kAccept || moment < cell_row.moment) return false;
  if (moment != Moment::kMessage && action < Action::kDefer) return false;
  // Null return path, postmaster@ and abuse@ are exempt from reputation.
  return cell_row.stage != Stage::kReputation || !(facts.null_return_path || facts.exempt_recipient);
}

// What the operator lets pass, passes wherever passing is possible at all.
bool lifted(const Facts& facts, Cell cell) {
  const bool pass = facts.ruling == Ruling::kAllow || facts.ruling == Ruling::kBypass;
  return pass && (row(cell).allowed & bit(Action::kAccept));
}

Basis basis_of(const Facts& facts, const Policy& policy, Cell cell) {
  if (cell == Cell::k_denied && facts.ruling_basis) return *facts.ruling_basis;
  const Basis basis = row(cell).basis;
  // Within an enterprise, its own rules and contracts are what the users agreed to.
  const bool own_rules = policy.operator_kind == Operator::kEnterprise && basis == Basis::kLegitimateBusinessAct;
  return own_rules ? Basis::kConsent : basis;
}

Override override_of(const Facts& facts, const Verdict& verdict) {
  if (verdict.action < verdict.would_be && (facts.ruling == Ruling::kAllow || facts.ruling == Ruling::kBypass))
    return Override::kOperator;
  if (facts.dmarc.result != AuthResult::kFail) return Override::kNone;
  if (facts.explained != Override::kNone && facts.dmarc.policy != OwnerPolicy::kNone) return facts.explained;
  return facts.dmarc.testing ? Override::kPolicyTestMode : Override::kNone;
}

// RFC 7208 section 6.2: an explanation is the domain's, and the reply must say so.
void add_explanation(const Facts& facts, smtp::Reply& reply) {
  if (facts.spf_mail_from.explanation.empty()) return;
  reply.lines.push_back("The domain " + core::printable(facts.spf_mail_from.domain, 100) +
                        " explains: " + core::printable(facts.spf_mail_from.explanation, 300));
}

}  // namespace

Verdict decide(const Facts& facts, const Policy& policy, Moment moment) {
  Verdict verdict;
  const Hit* deciding = nullptr;
  const Hits hits = collect(facts, policy, moment);
  const bool failing = dns_failing(hits, policy);
  for (const auto& hit : hits) {
    const Action action = failing ? patient(hit.cell, policy.at(hit.cell)) : policy.at(hit.cell);
    if (!applies(facts, hit.cell, action, moment)) continue;
    const CellRow& cell = row(hit.cell);
    const bool seen = std::any_of(verdict.reasons.begin(), verdict.reasons.end(),
                                  [&](const auto& r) { return r.room == hit.room && r.code == hit.code; });
    if (seen) continue;
    // What cannot be accepted at all (a relay, an unknown recipient, a loop) is refused in observe mode too.
    const bool passable = cell.allowed & bit(Action::kAccept);
    const bool enforced = !passable || (policy.mode(cell.stage) == Mode::kEnforce && !lifted(facts, hit.cell));
    verdict.reasons.push_back({cell.stage, hit.room, hit.code, hit.evidence, action, enforced});
    verdict.would_be = std::max(verdict.would_be, action);
    if (!enforced || action <= verdict.action) continue;
    verdict.action = action;
    deciding = &hit;
  }
  std::stable_sort(verdict.reasons.begin(), verdict.reasons.end(), [](const auto& a, const auto& b) {
    return a.enforced != b.enforced ? a.enforced : a.action > b.action;
  });
  verdict.override_reason = override_of(facts, verdict);
  if (!deciding) return verdict;
  verdict.basis = basis_of(facts, policy, deciding->cell);
  if (verdict.action >= Action::kDefer) {
    verdict.reply = make_reply(deciding->cell, verdict.action, moment, deciding->evidence);
    if (deciding->cell == Cell::k_spf_fail) add_explanation(facts, verdict.reply);
  }
  return verdict;
}

smtp::Reply make_reply(Cell cell, Action action, Moment moment, std::string_view evidence) {
  const CellRow& cell_row = row(cell);
  const std::string_view code = action == Action::kReject ? cell_row.reject : cell_row.defer;
  smtp::Reply reply;
  reply.code = (code[0] - '0') * 100 + (code[1] - '0') * 10 + (code[2] - '0');
  reply.enhanced = code.substr(4);
  if (moment == Moment::kConnect) {  // RFC 5321 section 3.1: 554 in place of the greeting; 421 closes
    reply.code = action == Action::kReject ? 554 : 421;
    reply.close = true;
  }
  std::string text(cell_row.reply);
  if (const auto at = text.find("%s"); at != std::string::npos)
    text.replace(at, 2, evidence.empty() ? "this source" : core::printable(evidence, 120));
  reply.lines = {std::move(text)};
  return reply;
}

}  // namespace sekisho::verdict
