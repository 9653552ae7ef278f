// The text of a DMARC record, and what the DNS must say of its report destinations.
#include "road/identity/dmarc/dmarc.h"

#include <algorithm>

#include "base/core/text.h"
#include "service/records/rule.h"

namespace sekisho::records {
namespace {

using dmarc::Policy;
using dmarc::TagFault;
using dmarc::TagRead;

// RFC 9989 section 4.7, and what only RFC 7489 section 6.3 has.
constexpr std::string_view kTags[] = {"p", "sp", "np", "adkim", "aspf", "rua", "ruf", "fo", "t", "psd"};
constexpr std::string_view kOldTags[] = {"pct", "rf", "ri"};

void lint_uris(const TagRead& tag, Complaints& out) {
  bool told = false;
  for (std::string_view rest = tag.value; !rest.empty();) {
    const auto end = std::min(rest.find(','), rest.size());
    const auto uri = core::trim(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (uri.find(' ') != uri.npos) {
      out.add_in(Id::k_dmarc_uri_space, uri), told = true;
    } else if (uri.find(':') == uri.npos && uri.find('@') != uri.npos) {
      out.add_in(Id::k_dmarc_uri_bare, uri), told = true;
    } else if (!uri.empty() && !core::istarts_with(uri, "mailto:") && uri.find(':') != uri.npos) {
      out.add_in(Id::k_dmarc_scheme, uri);
    }
  }
  if (tag.fault == TagFault::kValue && !told) out.add_in(Id::k_dmarc_uri, tag.value);
}

void lint_tag(const TagRead& tag, std::string_view text, Complaints& out) {
  const std::string key = core::to_lower(tag.name);
  const auto whole =
      text.substr(static_cast<std::size_t>(tag.name.data() - text.data()),
                  tag.value.data() ? static_cast<std::size_t>(tag.value.data() + tag.value.size() - tag.name.data())
                                   : tag.name.size());
  if (tag.fault == TagFault::kNoTag) {
    // "rua=mailto:a@x.example;mailto:b@x.example": the second address is a part of its own.
    const bool address = core::istarts_with(tag.name, "mailto:");
    return out.add_in(address ? Id::k_dmarc_uri_space : Id::k_dmarc_no_tag, whole);
  }
  if (tag.fault == TagFault::kTwice) return out.add_in(Id::k_dmarc_twice, whole);
  if (tag.fault == TagFault::kOctets) return out.add_in(Id::k_dmarc_octets, whole);
  if (key == "rua" || key == "ruf") return lint_uris(tag, out);
  if (tag.fault == TagFault::kValue) out.add_in(Id::k_dmarc_value, whole);
  if (is_tag(key, kOldTags)) out.add_in(Id::k_dmarc_old_tag, whole);
  if (!is_tag(key, kTags) && !is_tag(key, kOldTags)) out.add_in(Id::k_dmarc_unknown, whole);
}

bool weaker(const std::optional<Policy>& below, Policy policy) { return below && *below < policy; }

std::string versus(std::string_view tag, Policy below, Policy policy) {
  return std::string(tag) + "=" + std::string(word(below)) + ", p=" + std::string(word(policy));
}

void lint_record(const dmarc::Record& record, const std::vector<TagRead>& tags, Complaints& out) {
  const auto has = [&](std::string_view name) {
    return std::any_of(tags.begin(), tags.end(), [&](const auto& t) { return core::iequals(t.name, name); });
  };
  if (!record.p) {
    out.add(Id::k_dmarc_no_p);
  } else {
    if (!core::iequals(tags.front().name, "p")) out.add(Id::k_dmarc_p_place);
    if (*record.p == Policy::kNone) out.add(record.rua_usable ? Id::k_dmarc_p_none : Id::k_dmarc_no_rua);
    if (*record.p != Policy::kNone && !record.rua_usable) out.add(Id::k_dmarc_blind);
    if (weaker(record.sp, *record.p)) out.add(Id::k_dmarc_sp_weaker, versus("sp", *record.sp, *record.p));
    if (weaker(record.np, record.sp.value_or(*record.p)))
      out.add(Id::k_dmarc_np_weaker, versus("np", *record.np, *record.p));
  }
  if (record.testing) out.add(Id::k_dmarc_testing);
  if (record.percentage && *record.percentage < 100)
    out.add(Id::k_dmarc_pct, "pct=" + std::to_string(*record.percentage));
  if (has("fo") && !has("ruf")) out.add(Id::k_dmarc_fo_alone);
}

}  // namespace

Problems lint_dmarc(const std::string& name, const Text& text, core::Budget& budget) {
  Complaints out(name, text.octets);
  lint_octets(text, out);
  lint_tag_seams(text, kTags, out);
  lint_tag_seams(text, kOldTags, out);
  std::vector<TagRead> tags;
  const auto record = dmarc::parse_record(text.octets, budget, 50, &tags);
  if (!record) {
    out.add_at(budget.steps == 0 ? Id::k_too_complex : Id::k_dmarc_not_seen,
               std::string_view(text.octets).substr(0, 60), 0);
    return out.done();
  }
  for (const auto& tag : tags) lint_tag(tag, text.octets, out);
  if (tags.empty())
    out.add(Id::k_dmarc_no_p);
  else
    lint_record(*record, tags, out);
  return out.done();
}

core::Task<void> follow_dmarc(Visit visit, Sheet& sheet) {
  Complaints out(sheet.name, sheet.record);
  dmarc::Inputs inputs;
  inputs.author_domain = visit.orders.domain;
  dmarc::Options options;
  options.psl = visit.orders.psl;
  options.failure_destinations = true;
  auto evaluating = dmarc::evaluate(inputs, visit.resolver, options, visit.budget);
  const dmarc::Evaluation e = co_await evaluating;
  const bool own = e.policy_domain && *e.policy_domain == visit.orders.domain;
  if (!own && e.policy_domain && sheet.status == Sheet::Status::kNone)
    out.add(Id::k_dmarc_inherited, "_dmarc." + e.policy_domain->text() + ", " + std::string(word(e.policy)));
  if (!own && !e.policy_domain && sheet.status == Sheet::Status::kNone) {
    if (e.result == road::AuthResult::kTempError)
      out.add(Id::k_dns_temporary, visit.orders.domain.text());
    else
      out.add(Id::k_dmarc_none, visit.orders.domain.text());
  }
  if (own && e.record) {
    for (const auto& d : e.destinations) {
      const std::string asked = d.address + (d.asked ? " (" + d.asked->text() + ")" : "");
      if (d.permission == dmarc::Permission::kRefused) out.add(Id::k_dmarc_rua_refused, asked);
      if (d.permission == dmarc::Permission::kUnknown) out.add(Id::k_dmarc_rua_unknown, asked);
    }
    const auto* psl = visit.orders.psl;
    if (e.record->psd == dmarc::Psd::kYes && psl && !psl->is_public_suffix(visit.orders.domain))
      out.add(Id::k_dmarc_psd, visit.orders.domain.text());
    if (e.organizational_domain && *e.organizational_domain != visit.orders.domain && (e.record->sp || e.record->np))
      out.add(Id::k_dmarc_sp_below, e.organizational_domain->text());
  }
  for (auto& problem : out.done()) sheet.problems.push_back(std::move(problem));
}

}  // namespace sekisho::records
