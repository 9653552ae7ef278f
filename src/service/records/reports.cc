// MTA-STS (RFC 8461), TLS-RPT (RFC 8460) and BIMI: records of "name=value" parts by ';'.
#include <algorithm>

#include "base/core/text.h"
#include "mail/address/address.h"
#include "service/records/rule.h"

namespace sekisho::records {
namespace {

constexpr std::size_t kFieldsMax = 64;

struct Field {
  std::string_view whole, name, value;  // name empty: the part has no '='
};

std::vector<Field> fields_of(std::string_view text) {
  std::vector<Field> out;
  while (!text.empty() && out.size() < kFieldsMax) {
    const auto end = std::min(text.find(';'), text.size());
    const auto whole = core::trim(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (whole.empty()) continue;
    const auto equals = whole.find('=');
    Field field{whole, {}, {}};
    if (equals != whole.npos) {
      field.name = core::trim(whole.substr(0, equals));
      field.value = core::trim(whole.substr(equals + 1));
    }
    out.push_back(field);
  }
  return out;
}

const Field* find(const std::vector<Field>& fields, std::string_view name) {
  for (const auto& field : fields)
    if (field.name == name) return &field;
  return nullptr;
}

// The version is a field too. Only what counts as a record comes here.
void lint_fields(const std::vector<Field>& fields, Id syntax, Complaints& out) {
  for (const auto& field : fields)
    if (field.name.empty() || !std::all_of(field.name.begin(), field.name.end(), [](char c) {
          return core::is_alnum(c) || c == '_' || c == '-' || c == '.';
        }))
      out.add_in(syntax, field.whole);
}

bool is_web_address(std::string_view uri) {
  return core::istarts_with(uri, "https://") && uri.size() > 8 &&
         uri.find_first_of(" \t\"<>\\^`{|}") == std::string_view::npos;
}

bool is_mail_address(std::string_view uri) {
  return core::istarts_with(uri, "mailto:") &&
         mail::Address::parse(uri.substr(7, std::min(uri.find('?'), uri.size()) - 7)).ok();
}

bool is_sts_id(std::string_view id) {
  return !id.empty() && id.size() <= 32 && std::all_of(id.begin(), id.end(), core::is_alnum);
}

}  // namespace

Problems lint_mta_sts(const std::string& name, const Text& text, core::Budget&) {
  Complaints out(name, text.octets);
  lint_octets(text, out);
  if (!counts(Type::kMtaSts, text.octets)) {
    out.add_at(Id::k_sts_not_seen, std::string_view(text.octets).substr(0, 60), 0);
    return out.done();
  }
  const auto fields = fields_of(text.octets);
  lint_fields(fields, Id::k_sts_syntax, out);
  const Field* id = find(fields, "id");
  if (!id)
    out.add(Id::k_sts_no_id);
  else if (!is_sts_id(id->value))
    out.add_in(Id::k_sts_id, id->whole);
  return out.done();
}

Problems lint_tls_rpt(const std::string& name, const Text& text, core::Budget&) {
  Complaints out(name, text.octets);
  lint_octets(text, out);
  if (!counts(Type::kTlsRpt, text.octets)) {
    out.add_at(Id::k_tlsrpt_not_seen, std::string_view(text.octets).substr(0, 60), 0);
    return out.done();
  }
  const auto fields = fields_of(text.octets);
  lint_fields(fields, Id::k_tlsrpt_syntax, out);
  const Field* rua = find(fields, "rua");
  bool usable = false;
  for (std::string_view rest = rua ? rua->value : std::string_view(); !rest.empty();) {
    const auto end = std::min(rest.find(','), rest.size());
    const auto uri = core::trim(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const bool good = is_mail_address(uri) || is_web_address(uri);
    if (!good) out.add_in(Id::k_tlsrpt_uri, uri);
    usable = usable || good;
  }
  if (!usable) out.add(Id::k_tlsrpt_no_rua);
  return out.done();
}

Problems lint_bimi(const std::string& name, const Text& text, core::Budget&) {
  constexpr std::string_view kTags[] = {"v", "l", "a", "avp", "lps", "e"};
  Complaints out(name, text.octets);
  lint_octets(text, out);
  if (!counts(Type::kBimi, text.octets)) {
    out.add_at(Id::k_bimi_not_seen, std::string_view(text.octets).substr(0, 60), 0);
    return out.done();
  }
  const auto fields = fields_of(text.octets);
  lint_fields(fields, Id::k_bimi_syntax, out);
  for (const auto& field : fields)
    if (!field.name.empty() && std::find(std::begin(kTags), std::end(kTags), field.name) == std::end(kTags))
      out.add_in(Id::k_bimi_unknown, field.name);
  const Field *l = find(fields, "l"), *a = find(fields, "a");
  if (!l) out.add(Id::k_bimi_no_l);
  for (const Field* field : {l, a})
    if (field && !field->value.empty() && !is_web_address(field->value)) out.add_in(Id::k_bimi_uri, field->whole);
  if (l && is_web_address(l->value) && !core::to_lower(l->value).ends_with(".svg"))
    out.add_in(Id::k_bimi_suffix, l->value);
  if (l && !l->value.empty() && (!a || a->value.empty())) out.add(Id::k_bimi_no_a);
  return out.done();
}

namespace {

struct StsPolicy {
  unsigned versions = 0, modes = 0, ages = 0;
  std::vector<std::string_view> mx;
};

// RFC 8461 section 4.1: a host, or "*." before what follows its first label.
bool fits(std::string_view pattern, std::string_view host) {
  if (!pattern.starts_with("*.")) return core::iequals(pattern, host);
  const auto dot = host.find('.');
  return dot != host.npos && core::iequals(pattern.substr(2), host.substr(dot + 1));
}

bool is_pattern(std::string_view pattern) {
  if (pattern.starts_with("*.")) pattern.remove_prefix(2);
  return mail::Domain::parse(pattern).has_value();
}

void read_policy_line(std::string_view line, StsPolicy& policy, Complaints& out) {
  const auto colon = line.find(':');
  if (colon == line.npos || colon == 0) return out.add_in(Id::k_sts_policy_line, line);
  const auto key = core::trim(line.substr(0, colon)), value = core::trim(line.substr(colon + 1));
  if (key == "version") {
    if (++policy.versions > 1 || value != "STSv1") out.add_in(Id::k_sts_policy_key, line);
  } else if (key == "mode") {
    const bool known = value == "enforce" || value == "testing" || value == "none";
    if (++policy.modes > 1 || !known) return out.add_in(Id::k_sts_policy_key, line);
    if (value != "enforce") out.add_in(Id::k_sts_policy_mode, line);
  } else if (key == "max_age") {
    constexpr std::uint64_t kMost = 31557600, kLittle = 86400;
    const auto seconds = core::parse_uint(value, kMost);
    if (++policy.ages > 1 || !seconds) return out.add_in(Id::k_sts_policy_key, line);
    if (*seconds < kLittle) out.add_in(Id::k_sts_policy_age, line);
  } else if (key == "mx") {
    if (!is_pattern(value)) return out.add_in(Id::k_sts_policy_key, line);
    if (policy.mx.size() < kFieldsMax) policy.mx.push_back(value);
  }  // further keys are allowed (section 3.2: sts-policy-extension)
}

void compare_exchanges(const StsPolicy& policy, std::span<const std::string> mx, Complaints& out) {
  for (const auto& host : mx)
    if (std::none_of(policy.mx.begin(), policy.mx.end(), [&](auto pattern) { return fits(pattern, host); }))
      out.add(Id::k_sts_policy_mx, host);
  for (const auto pattern : policy.mx)
    if (std::none_of(mx.begin(), mx.end(), [&](const auto& host) { return fits(pattern, host); }))
      out.add_in(Id::k_sts_policy_unused, pattern);
}

}  // namespace

Problems lint_sts_policy(const std::string& name, std::string_view text, std::span<const std::string> mx,
                         core::Budget& budget) {
  Complaints out(name, text);
  constexpr std::size_t kPolicyMax = 64 * 1024;  // RFC 8461 section 3.3: "64 kilobytes"
  if (text.size() > kPolicyMax || !budget.take_steps(text.size())) {
    out.add(Id::k_too_complex);
    return out.done();
  }
  StsPolicy policy;
  for (std::string_view rest = text; !rest.empty();) {
    const auto end = std::min(rest.find('\n'), rest.size());
    auto line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!core::trim(line).empty()) read_policy_line(line, policy, out);
  }
  if (!policy.versions) out.add(Id::k_sts_policy_key, "version");
  if (!policy.modes) out.add(Id::k_sts_policy_key, "mode");
  if (!policy.ages) out.add(Id::k_sts_policy_key, "max_age");
  if (policy.mx.empty() && text.find("mode: none") == text.npos) out.add(Id::k_sts_policy_key, "mx");
  compare_exchanges(policy, mx, out);
  return out.done();
}

}  // namespace sekisho::records
