#include <algorithm>

#include "base/core/text.h"
#include "mail/address/address.h"
#include "service/records/rule.h"

namespace sekisho::records {
namespace {

constexpr Rule kRules[] = {
#define RULE(code, severity, rfc, en, ja, fix_en, fix_ja) {#code, Severity::severity, rfc, en, ja, fix_en, fix_ja},
#include "service/records/rules.def"
#undef RULE
};
constexpr std::size_t kEvidenceMax = 120;
constexpr std::size_t kSameMax = 5;     // complaints of one rule
constexpr std::size_t kTextsMax = 100;  // TXT records of one name

constexpr std::string_view kTypeWords[] = {"spf",   "senderid", "domainkeys", "dkim",
                                           "dmarc", "mta-sts",  "tls-rpt",    "bimi"};
// Before the domain; for DKIM and BIMI behind the selector.
constexpr std::string_view kLabels[] = {"",       "",         "_domainkey", "_domainkey",
                                        "_dmarc", "_mta-sts", "_smtp._tls", "_bimi"};

std::string_view version_of(Type type) {
  constexpr std::string_view kVersions[] = {"v=spf1",   "spf2.0",  "",           "v=DKIM1",
                                            "v=DMARC1", "v=STSv1", "v=TLSRPTv1", "v=BIMI1"};
  return kVersions[static_cast<std::size_t>(type)];
}

// Without what people put around and into a version by accident: blanks, quotes, the case.
std::string bare(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, 64))
    if (core::is_alnum(c) || c == '=' || c == '.') out += core::lower(c);
  return out;
}

}  // namespace

std::span<const Rule> rules() { return kRules; }
std::string_view word(Type type) { return kTypeWords[static_cast<std::size_t>(type)]; }
std::string_view word(Severity severity) {
  constexpr std::string_view kWords[] = {"note", "warning", "error"};
  return kWords[static_cast<std::size_t>(severity)];
}
std::string_view word(Sheet::Status status) {
  constexpr std::string_view kWords[] = {"found", "none", "temperror"};
  return kWords[static_cast<std::size_t>(status)];
}

std::optional<Type> type_of(std::string_view text) {
  const auto at = std::find(std::begin(kTypeWords), std::end(kTypeWords), text);
  if (at == std::end(kTypeWords)) return {};
  return static_cast<Type>(at - std::begin(kTypeWords));
}

std::optional<mail::Domain> place_of(Type type, const mail::Domain& domain, std::string_view selector) {
  std::string name;
  if (!selector.empty()) name.append(selector).append(".");
  const auto label = kLabels[static_cast<std::size_t>(type)];
  if (!label.empty()) name.append(label).append(".");
  return mail::Domain::parse(name.append(domain.text()));
}

std::optional<Place> place_in(const mail::Domain& name) {
  const std::string& text = name.text();
  for (const Type type : {Type::kDkim, Type::kBimi, Type::kDmarc, Type::kMtaSts, Type::kTlsRpt}) {
    const std::string label = std::string(kLabels[static_cast<std::size_t>(type)]) + ".";
    const bool selects = type == Type::kDkim || type == Type::kBimi;
    const auto at = selects ? text.find("." + label) : text.starts_with(label) ? 0 : std::string::npos;
    if (at == std::string::npos) continue;
    auto domain = mail::Domain::parse(text.substr(at + label.size() + (selects ? 1 : 0)));
    if (domain) return Place{type, std::move(*domain), selects ? text.substr(0, at) : std::string()};
  }
  if (text.starts_with("_domainkey."))
    if (auto domain = mail::Domain::parse(text.substr(11))) return Place{Type::kDomainKeys, std::move(*domain), ""};
  return {};
}

void Complaints::put(Id id, std::string_view evidence, std::optional<std::size_t> octet) {
  const Rule* rule = &kRules[static_cast<std::size_t>(id)];
  const auto same = [&](const Problem& p) { return p.rule == rule; };
  if (std::count_if(problems_.begin(), problems_.end(), same) >= static_cast<std::ptrdiff_t>(kSameMax)) return;
  problems_.push_back({rule, name_, core::printable(evidence, kEvidenceMax), octet});
}
void Complaints::add(Id id, std::string_view evidence) { put(id, evidence, {}); }
void Complaints::add_at(Id id, std::string_view evidence, std::size_t octet) { put(id, evidence, octet); }
void Complaints::add_in(Id id, std::string_view place) { put(id, place, offset(place)); }
bool Complaints::has(Id id) const {
  const Rule* rule = &kRules[static_cast<std::size_t>(id)];
  return std::any_of(problems_.begin(), problems_.end(), [&](const Problem& p) { return p.rule == rule; });
}

std::vector<Text> texts_of(const dns::Answer& answer) {
  std::vector<Text> out;
  for (std::size_t i = 0; i < answer.texts.size() && i < kTextsMax; ++i) {
    Text text{answer.texts[i], {}};
    const std::string_view raw = i < answer.raw.size() ? std::string_view(answer.raw[i]) : std::string_view();
    for (std::size_t at = 0; at < raw.size();) {
      const auto size = static_cast<unsigned char>(raw[at]);
      text.string_sizes.push_back(size);
      at += 1 + size;
    }
    out.push_back(std::move(text));
  }
  return out;
}

std::vector<std::size_t> seams(const Text& text) {
  std::vector<std::size_t> out;
  std::size_t at = 0;
  for (const std::size_t size : text.string_sizes) {
    if (at > 0 && at < text.octets.size()) out.push_back(at);
    at += size;
  }
  return out;
}

bool is_tag(std::string_view name, std::span<const std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

void lint_tag_seams(const Text& text, std::span<const std::string_view> names, Complaints& out) {
  const std::string_view octets = text.octets;
  for (const std::size_t at : seams(text)) {
    const auto equals = octets.find_first_of("=; ", at);
    if (equals == octets.npos || octets[equals] != '=') continue;
    if (!is_tag(core::to_lower(octets.substr(at, equals - at)), names)) continue;
    if (core::trim_fws(octets.substr(0, at)).ends_with(';')) continue;
    out.add_at(Id::k_strings_run_together, octets.substr(at < 20 ? 0 : at - 20, 40), at);
  }
}

void lint_octets(const Text& text, Complaints& out) {
  const std::string_view octets = text.octets;
  for (std::size_t i = 0; i < octets.size(); ++i) {
    const auto octet = static_cast<unsigned char>(octets[i]);
    if (octet >= 0x20 && octet < 0x7f && octet != '\\') continue;
    const auto around = octets.substr(i < 8 ? 0 : i - 8, 24);
    if (octet == '\\')
      out.add_at(Id::k_octets_escape, around, i);
    else
      out.add_at(octet < 0x80 ? Id::k_octets_control : Id::k_octets_beyond_ascii, around, i);
  }
  if (octets.size() > 1 && octets.front() == '"' && octets.back() == '"')
    out.add_at(Id::k_octets_escape, octets.substr(0, 24), 0);
  if (!octets.empty() && core::is_wsp(octets.back())) out.add_at(Id::k_blank_end, "", octets.size() - 1);
}

bool counts(Type type, std::string_view text) {
  const auto version = version_of(type);
  switch (type) {
    case Type::kSpf:  // RFC 7208 section 4.5
      return core::istarts_with(text, version) && (text.size() == version.size() || text[version.size()] == ' ');
    case Type::kSenderId:
      return core::istarts_with(text, "spf2.0/");
    case Type::kDomainKeys:
    case Type::kDkim:  // all that stands under _domainkey is one
      return true;
    case Type::kDmarc: {
      core::Budget budget;
      return dmarc::parse_record(text, budget).has_value();
    }
    default: {  // RFC 8461 section 3.1, RFC 8460 section 3: the version, then perhaps blanks, then ';'
      if (!text.starts_with(version)) return false;
      const auto rest = core::trim(text.substr(version.size()));
      return rest.starts_with(';') || (rest.empty() && type == Type::kBimi);
    }
  }
}

bool is_meant(Type type, std::string_view text) {
  if (type == Type::kDomainKeys || counts(type, text)) return true;
  const std::string start = bare(text);
  const auto begins = [&](std::string_view with) { return start.starts_with(with); };
  switch (type) {
    case Type::kSpf:
      return begins("v=spf") || begins("spf1") || begins("spf=") || begins("vspf1");
    case Type::kSenderId:
      return begins("spf2") || begins("v=spf2");
    case Type::kDmarc:
      return begins("v=dmarc") || begins("dmarc") || begins("p=none") || begins("p=reject") || begins("p=quarantine");
    case Type::kMtaSts:
      return begins("v=sts") || begins("v=mtasts");
    case Type::kTlsRpt:
      return begins("v=tlsrpt") || begins("v=tls");
    case Type::kBimi:
      return begins("v=bimi");
    default:
      return true;
  }
}

std::optional<Type> classify(std::string_view text) {
  constexpr Type kVersioned[] = {Type::kSpf, Type::kSenderId, Type::kDmarc, Type::kMtaSts, Type::kTlsRpt, Type::kBimi};
  for (const Type type : kVersioned)
    if (counts(type, text)) return type;
  for (const Type type : kVersioned)
    if (is_meant(type, text)) return type;
  if (bare(text).starts_with("v=dkim")) return Type::kDkim;
  return {};
}

Problems lint_text(Type type, const std::string& name, const Text& text, core::Budget& budget) {
  using Lint = Problems (*)(const std::string&, const Text&, core::Budget&);
  constexpr Lint kLints[] = {lint_spf,   lint_sender_id, lint_domainkeys, lint_dkim,
                             lint_dmarc, lint_mta_sts,   lint_tls_rpt,    lint_bimi};
  if (!budget.take_steps(text.octets.size() * 4 + 1)) {
    Complaints out(name, text.octets);
    out.add(Id::k_too_complex);
    return out.done();
  }
  return kLints[static_cast<std::size_t>(type)](name, text, budget);
}

namespace {
std::string rdata_of(const Text& text) {
  std::string out;
  std::size_t at = 0;
  for (const std::size_t size : text.string_sizes) {
    const auto piece = std::string_view(text.octets).substr(std::min(at, text.octets.size()), size);
    out.append(1, static_cast<char>(piece.size())).append(piece);
    at += size;
  }
  return out;
}

class LaidOver final : public dns::Resolver {
 public:
  LaidOver(Type type, dns::Name name, Text text, dns::Resolver& below)
      : type_(type), name_(std::move(name)), text_(std::move(text)), below_(below) {}
  dns::AnswerPtr ready(const dns::Name& name, dns::Type type) override {
    return is_ours(name, type) ? nullptr : below_.ready(name, type);
  }
  core::Task<dns::AnswerPtr> lookup(dns::Name name, dns::Type type, core::Budget& budget) override {
    const bool ours = is_ours(name, type);
    auto asking = below_.lookup(std::move(name), type, budget);
    const dns::AnswerPtr there = co_await asking;
    if (!ours) co_return there;
    auto answer = std::make_shared<dns::Answer>();
    answer->code = dns::Code::kRecords;
    answer->canonical = name_;
    answer->texts.push_back(text_.octets);
    if (text_.string_sizes.size() > 1) answer->raw.push_back(rdata_of(text_));
    for (std::size_t i = 0; i < there->texts.size(); ++i) {
      if (is_meant(type_, there->texts[i])) continue;
      answer->texts.push_back(there->texts[i]);
      answer->raw.resize(answer->texts.size());
      if (i < there->raw.size()) answer->raw.back() = there->raw[i];
    }
    co_return answer;
  }

 private:
  bool is_ours(const dns::Name& name, dns::Type type) const { return type == dns::Type::kTxt && name == name_; }
  Type type_;
  dns::Name name_;
  Text text_;
  dns::Resolver& below_;
};
}  // namespace

std::unique_ptr<dns::Resolver> lay_over(Type type, dns::Name name, Text text, dns::Resolver& below) {
  return std::make_unique<LaidOver>(type, std::move(name), std::move(text), below);
}

}  // namespace sekisho::records
