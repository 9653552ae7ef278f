#include "road/identity/spf/record.h"

#include "base/core/text.h"
#include "road/identity/spf/macro.h"

namespace sekisho::spf {
namespace {

using core::is_digit;

constexpr bool is_name_char(char c) { return core::is_alnum(c) || c == '-' || c == '_' || c == '.'; }

struct Word {
  std::string_view name;
  Kind kind;
};
constexpr Word kMechanisms[] = {{"ip4", Kind::kIp4}, {"include", Kind::kInclude}, {"all", Kind::kAll},
                                {"a", Kind::kA},     {"mx", Kind::kMx},           {"ip6", Kind::kIp6},
                                {"ptr", Kind::kPtr}, {"exists", Kind::kExists}};

// "0" or digits without a leading zero, at most max (section 12, ip4-cidr-length and ip6-cidr-length).
bool read_prefix(std::string_view digits, unsigned max, std::uint8_t& out) {
  if (digits.empty() || digits.size() > 3 || (digits[0] == '0' && digits.size() > 1)) return false;
  unsigned value = 0;
  for (char c : digits) {
    if (!is_digit(c)) return false;
    value = value * 10 + static_cast<unsigned>(c - '0');
  }
  out = static_cast<std::uint8_t>(value);
  return value <= max;
}

// qnum "." qnum "." qnum "." qnum, no leading zeros.
bool read_ip4(std::string_view text, core::IpAddress& out) {
  std::uint32_t bits = 0;
  std::size_t at = 0;
  for (int part = 0; part < 4; ++part) {
    if (part > 0 && (at >= text.size() || text[at++] != '.')) return false;
    const std::size_t start = at;
    unsigned value = 0;
    while (at < text.size() && is_digit(text[at]) && at - start < 3) value = value * 10 + unsigned(text[at++] - '0');
    if (at == start || value > 255 || (text[start] == '0' && at - start > 1)) return false;
    bits = bits << 8 | value;
  }
  out = core::IpAddress::v4(bits);
  return at == text.size();
}

// ip4-network [ "/" length ] or ip6-network [ "/" length ]
bool read_network(std::string_view text, Term& term) {
  const auto slash = text.find('/');
  const auto address = text.substr(0, slash);
  const bool v4 = term.kind == Kind::kIp4;
  if (slash != std::string_view::npos &&
      !read_prefix(text.substr(slash + 1), v4 ? 32 : 128, v4 ? term.prefix4 : term.prefix6))
    return false;
  if (v4) return read_ip4(address, term.network);
  if (address.find(':') == std::string_view::npos) return false;
  const auto parsed = core::IpAddress::parse(address);
  if (parsed) term.network = *parsed;
  return parsed.has_value();
}

// Takes "/digits" off the end of text; false when the end has another shape.
bool take_slash_digits(std::string_view& text, std::string_view& digits) {
  std::size_t at = text.size();
  while (at > 0 && is_digit(text[at - 1])) --at;
  if (at == text.size() || at == 0 || text[at - 1] != '/') return false;
  digits = text.substr(at);
  text.remove_suffix(text.size() - at + 1);
  return true;
}

// dual-cidr-length = [ ip4-cidr-length ] [ "/" ip6-cidr-length ]. It is read from the end: a domain-spec may hold
// slashes.
bool take_dual_cidr(std::string_view& text, Term& term) {
  std::string_view digits;
  if (!take_slash_digits(text, digits)) return true;
  if (!text.empty() && text.back() == '/') {
    text.remove_suffix(1);
    if (!read_prefix(digits, 128, term.prefix6)) return false;
    if (!take_slash_digits(text, digits)) return true;
  }
  return read_prefix(digits, 32, term.prefix4);
}

// rest: what follows the mechanism's name, empty or beginning with ':' or '/'.
bool read_arguments(std::string_view rest, Term& term) {
  const bool colon = !rest.empty() && rest[0] == ':';
  switch (term.kind) {
    case Kind::kAll:
      return rest.empty();
    case Kind::kIp4:
    case Kind::kIp6:
      return colon && read_network(rest.substr(1), term);
    case Kind::kA:
    case Kind::kMx:
      if (!take_dual_cidr(rest, term)) return false;
      if (rest.empty()) return true;
      break;
    case Kind::kPtr:
      if (rest.empty()) return true;
      break;
    default:
      break;
  }
  if (rest.empty() || rest[0] != ':') return false;
  term.domain_spec = rest.substr(1);
  return valid_domain_spec(term.domain_spec);
}

bool read_modifier(std::string_view name, std::string_view value, Term& term) {
  // A known name with a bad value is an error, not an unknown modifier.
  if (core::iequals(name, "redirect") || core::iequals(name, "exp")) {
    term.kind = name.size() == 3 ? Kind::kExp : Kind::kRedirect;
    term.domain_spec = value;
    return valid_domain_spec(value);
  }
  term.kind = Kind::kOtherModifier;
  return valid_macro_string(value);
}

bool read_term(Term& term) {
  std::string_view text = term.text;
  const char first = text[0];
  const bool qualified = first == '+' || first == '-' || first == '~' || first == '?';
  if (qualified) text.remove_prefix(1);
  std::size_t end = 0;
  while (end < text.size() && is_name_char(text[end])) ++end;
  const auto name = text.substr(0, end);
  if (name.empty() || !core::is_alpha(name[0])) return false;
  if (end < text.size() && text[end] == '=') return !qualified && read_modifier(name, text.substr(end + 1), term);
  if (end < text.size() && text[end] != ':' && text[end] != '/') return false;
  term.qualifier = qualified ? first : '+';
  for (const auto& word : kMechanisms) {
    if (!core::iequals(name, word.name)) continue;
    term.kind = word.kind;
    return read_arguments(text.substr(end), term);
  }
  return false;
}

}  // namespace

Terms::Step Terms::next(Term& term) {
  while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  if (at_ >= text_.size()) return Step::kEnd;
  std::size_t end = at_;
  while (end < text_.size() && text_[end] != ' ') ++end;
  term = Term{};
  term.text = text_.substr(at_, end - at_);
  at_ = end;
  if (read_term(term)) return Step::kTerm;
  at_ = text_.size();
  return Step::kSyntax;
}

bool is_record(std::string_view text) {
  return core::istarts_with(text, "v=spf1") && (text.size() == kVersionSize || text[kVersionSize] == ' ');
}

// RFC 4406 section 3.1: "spf2.0/" scope-id *( "," scope-id ), where unknown scopes are names.
std::string_view after_scope(std::string_view text, std::string_view scope) {
  constexpr std::string_view kVersion = "spf2.0/";
  if (!core::istarts_with(text, kVersion)) return {};
  const std::string_view rest = text.substr(kVersion.size());
  std::string_view scopes = rest.substr(0, rest.find(' '));
  const std::string_view terms = rest.substr(scopes.size());
  bool found = false;
  for (;;) {
    const std::string_view id = scopes.substr(0, scopes.find(','));
    if (id.empty() || !core::is_alpha(id[0])) return {};
    for (char c : id)
      if (!is_name_char(c)) return {};
    found = found || core::iequals(id, scope);
    if (id.size() == scopes.size()) break;
    scopes.remove_prefix(id.size() + 1);
  }
  // A record without terms is an empty view that is not null.
  return found ? terms : std::string_view{};
}

Selection select(const std::vector<std::string>& texts, Records records) {
  Selection selection;
  if (records != Records::kSpf1) {
    const std::string_view scope = records == Records::kMfromThenSpf1 ? "mfrom" : "pra";
    for (const auto& text : texts) {
      const std::string_view terms = after_scope(text, scope);
      if (terms.data() && selection.count++ == 0) selection.record = text, selection.terms = terms;
    }
    if (selection.count > 0 || records == Records::kPra) return selection;
  }
  for (const auto& text : texts)
    if (is_record(text) && selection.count++ == 0)
      selection.record = text, selection.terms = selection.record.substr(kVersionSize);
  return selection;
}

Scan scan(std::string_view text) {
  Scan result;
  Terms terms(text);
  Term term;
  for (;;) {
    const auto step = terms.next(term);
    if (step == Terms::Step::kEnd) return result;
    const bool redirect = step == Terms::Step::kTerm && term.kind == Kind::kRedirect;
    const bool exp = step == Terms::Step::kTerm && term.kind == Kind::kExp;
    if (step == Terms::Step::kSyntax || (redirect && result.redirects) || (exp && result.explains)) {
      result.ok = false;
      result.offending = term.text;
      return result;
    }
    if (redirect) result.redirects = true, result.redirect = term.domain_spec;
    if (exp) result.explains = true, result.exp = term.domain_spec;
  }
}

}  // namespace sekisho::spf
