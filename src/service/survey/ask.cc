// The questions of one name and what the records say; each record is read through the door of its own room.
#include <algorithm>

#include "base/core/text.h"
#include "road/identity/dmarc/dmarc.h"
#include "road/identity/domainkeys/domainkeys.h"
#include "road/identity/signature/key.h"
#include "road/identity/spf/spf.h"
#include "service/survey/survey.h"

namespace sekisho::survey {
namespace {

using Words = std::vector<std::string_view>;
struct Column {
  std::string_view name;
  Words words;
};

Words with(std::initializer_list<std::string_view> own) {
  Words out{"not_asked", "none", "timeout", "servfail", "malformed"};
  out.insert(out.end(), own.begin(), own.end());
  return out;
}

const std::array<Column, kFields>& columns() {
  static const std::array<Column, kFields> all{{
      {"name", with({"exists", "nxdomain"})},
      {"mx", with({"mx", "null_mx"})},
      {"spf", with({"valid", "several", "invalid"})},
      {"spf_all", with({"fail", "softfail", "neutral", "pass", "redirect"})},
      {"sender_id", with({"mfrom", "pra", "both"})},
      {"domainkeys", with({"signs_all", "signs_some"})},
      {"dkim", with({"key", "revoked", "unusable"})},
      {"dmarc", with({"p_none", "p_quarantine", "p_reject", "several", "invalid"})},
      {"dmarc_sp", with({"sp_none", "sp_quarantine", "sp_reject"})},
      {"dmarc_np", with({"np_none", "np_quarantine", "np_reject"})},
      {"dmarc_psd", with({"psd_yes", "psd_no"})},
      {"dmarc_t", with({"testing"})},
      {"mta_sts", with({"valid", "several", "invalid"})},
      {"tls_rpt", with({"valid", "several", "invalid"})},
      {"bimi", with({"valid", "several", "invalid"})},
  }};
  return all;
}

// The answer that is at hand, and nothing else: so that a record's own room reads it without asking further.
class AtHand final : public dns::Resolver {
 public:
  AtHand(dns::Name name, dns::AnswerPtr answer) : name_(std::move(name)), answer_(std::move(answer)) {
    auto not_asked = std::make_shared<dns::Answer>();
    not_asked->code = dns::Code::kNotAllowed;
    nothing_ = not_asked;
  }
  dns::AnswerPtr ready(const dns::Name& name, dns::Type type) override {
    return type == dns::Type::kTxt && name == name_ ? answer_ : nothing_;
  }
  core::Task<dns::AnswerPtr> lookup(dns::Name name, dns::Type type, core::Budget&) override {
    co_return ready(name, type);
  }

 private:
  dns::Name name_;
  dns::AnswerPtr answer_, nothing_;
};

std::uint8_t fault_of(dns::Code code) {
  return code == dns::Code::kTimeout ? kTimeout : code == dns::Code::kMalformed ? kMalformed : kServFail;
}

void read_all(const spf::Shown::Part& part, Facts& facts) {
  auto& all = facts[Field::kSpfAll];
  all = kNone;
  for (const auto& term : part.terms) {
    if (term.kind == "redirect" && !term.dead) all = kFirstOwn + 4;
    if (term.kind != "all") continue;
    all = static_cast<std::uint8_t>(kFirstOwn + std::string_view("-~?+").find(term.qualifier));
    return;
  }
}

core::Task<void> read_spf(const mail::Domain& name, dns::AnswerPtr answer, Facts& facts) {
  facts[Field::kSpf] = facts[Field::kSenderId] = kNone;
  const bool any = std::any_of(answer->texts.begin(), answer->texts.end(), [](const auto& text) {
    return core::istarts_with(text, "v=spf1") || core::istarts_with(text, "spf2.0");
  });
  if (!any) co_return;
  AtHand resolver(name.name(), answer);
  core::Budget budget;
  auto showing = spf::show(name.text(), spf::Records::kSpf1, resolver, budget);
  const spf::Shown spf1 = co_await showing;
  using Status = spf::Shown::Status;
  if (!spf1.parts.empty() && spf1.parts[0].status != Status::kNothing) {
    const auto& part = spf1.parts[0];
    facts[Field::kSpf] = part.status == Status::kRecord    ? kFirstOwn
                         : part.status == Status::kSeveral ? kFirstOwn + 1
                                                           : kFirstOwn + 2;
    if (part.status == Status::kRecord) read_all(part, facts);
  }
  unsigned scopes = 0;
  for (const auto records : {spf::Records::kMfromThenSpf1, spf::Records::kPra}) {
    auto scope = spf::show(name.text(), records, resolver, budget);
    const spf::Shown shown = co_await scope;
    if (!shown.parts.empty() && core::istarts_with(shown.parts[0].record, "spf2.0"))
      scopes |= records == spf::Records::kPra ? 2 : 1;
  }
  if (scopes) facts[Field::kSenderId] = static_cast<std::uint8_t>(kFirstOwn + scopes - 1);
}

void read_mx(const dns::Answer& answer, Facts& facts) {
  // RFC 7505 section 3: a null MX is the only one, preference 0, of the root.
  const bool null = answer.exchanges.size() == 1 && answer.exchanges[0].exchange.is_root();
  facts[Field::kMx] = answer.exchanges.empty() ? kNone : null ? kFirstOwn + 1 : kFirstOwn;
}

void read_dmarc(const dns::Answer& answer, Facts& facts) {
  facts[Field::kDmarc] = kNone;
  std::optional<dmarc::Record> record;
  std::size_t count = 0;
  for (const auto& text : answer.texts) {
    core::Budget budget;
    auto parsed = dmarc::parse_record(text, budget);
    if (parsed && count++ == 0) record = std::move(parsed);
  }
  if (!record) return;
  const auto policy = [](const std::optional<dmarc::Policy>& p) {
    return p ? static_cast<std::uint8_t>(kFirstOwn + static_cast<unsigned>(*p)) : std::uint8_t{kNone};
  };
  facts[Field::kDmarc] = count > 1 ? kFirstOwn + 3 : record->p ? policy(record->p) : kFirstOwn + 4;
  if (count > 1) return;  // RFC 9989 section 4.10: then there is none
  facts[Field::kDmarcSp] = policy(record->sp);
  facts[Field::kDmarcNp] = policy(record->np);
  facts[Field::kDmarcPsd] = record->psd == dmarc::Psd::kYes  ? kFirstOwn
                            : record->psd == dmarc::Psd::kNo ? kFirstOwn + 1
                                                             : std::uint8_t{kNone};
  facts[Field::kDmarcT] = record->testing ? kFirstOwn : kNone;
}

// A tag list that begins with v=VERSION; needs: a tag it must have. RFC 8461 section 3.1 and RFC 8460 section 3:
// several are as none.
std::uint8_t read_tagged(const dns::Answer& answer, std::string_view version, std::string_view needs) {
  std::size_t count = 0;
  bool valid = false;
  for (const auto& text : answer.texts) {
    if (!text.starts_with("v=" + std::string(version))) continue;
    core::Budget budget;
    const auto tags = signature::TagList::parse(text, budget);
    valid = tags && tags->value("v") == version && tags->value(needs) && (needs == "l" || !tags->value(needs)->empty());
    ++count;
  }
  return count == 0 ? kNone : count > 1 ? kFirstOwn + 1 : valid ? kFirstOwn : kFirstOwn + 2;
}

std::uint8_t read_key(const dns::Answer& answer) {
  std::uint8_t best = kNone;
  for (const auto& text : answer.texts) {
    core::Budget budget;
    const auto key = signature::KeyRecord::parse(text, budget);
    if (key) return kFirstOwn;
    if (key.error() == signature::KeyError::kRevoked) best = kFirstOwn + 1;
    if (best == kNone && text.find("p=") != text.npos) best = kFirstOwn + 2;
  }
  return best;
}

void read_domainkeys(const dns::Answer& answer, Facts& facts) {
  facts[Field::kDomainKeys] = kNone;
  for (const auto& text : answer.texts) {
    core::Budget budget;
    const auto policy = domainkeys::parse_policy(text, budget);
    if (policy && policy->found) facts[Field::kDomainKeys] = policy->signs_all ? kFirstOwn : kFirstOwn + 1;
  }
}

struct Asker {
  const mail::Domain& name;
  const Plan& plan;
  dns::Resolver& resolver;
  Facts facts{};
  core::Budget budget{};

  // Null: a fault, noted in the column.
  core::Task<dns::AnswerPtr> question(std::string prefix, dns::Type type, Field field) {
    const auto at = mail::Domain::parse(prefix + name.text());
    if (!at) {  // the prefix makes the name too long: there is no such record
      auto none = std::make_shared<dns::Answer>();
      none->code = dns::Code::kNxDomain;
      co_return none;
    }
    auto asking = resolver.lookup(at->name(), type, budget);
    dns::AnswerPtr answer = co_await asking;
    if (dns::is_temporary(answer->code)) {
      facts[field] = fault_of(answer->code);
      co_return nullptr;
    }
    if (prefix.empty()) facts[Field::kName] = answer->code == dns::Code::kNxDomain ? kFirstOwn + 1 : kFirstOwn;
    co_return answer;
  }
  bool is_missing() const { return facts[Field::kName] == kFirstOwn + 1; }
};

// False: this try is over.
core::Task<bool> ask_name(Asker& a) {
  if (a.plan.wants(Field::kMx)) {
    auto asking = a.question("", dns::Type::kMx, Field::kMx);
    const dns::AnswerPtr answer = co_await asking;
    if (!answer) co_return false;
    read_mx(*answer, a.facts);
  }
  if (a.is_missing()) co_return true;
  if (a.plan.wants(Field::kSpf)) {
    auto asking = a.question("", dns::Type::kTxt, Field::kSpf);
    const dns::AnswerPtr answer = co_await asking;
    if (!answer) co_return false;
    auto reading = read_spf(a.name, answer, a.facts);
    co_await reading;
  }
  co_return true;
}

core::Task<bool> ask_keys(Asker& a) {
  const bool dkim = a.plan.wants(Field::kDkim);
  if (!dkim && !a.plan.wants(Field::kDomainKeys)) co_return true;
  auto asking = a.question("_domainkey.", dns::Type::kTxt, Field::kDomainKeys);
  const dns::AnswerPtr answer = co_await asking;
  if (!answer) co_return false;
  read_domainkeys(*answer, a.facts);
  if (!dkim) co_return true;
  a.facts[Field::kDkim] = kNone;
  if (answer->code == dns::Code::kNxDomain) co_return true;  // RFC 8020: nothing below either
  std::uint8_t best = kNone;
  for (const auto& selector : a.plan.selectors) {
    auto looking = a.question(selector + "._domainkey.", dns::Type::kTxt, Field::kDkim);
    const dns::AnswerPtr key = co_await looking;
    if (!key) co_return false;
    const std::uint8_t found = read_key(*key);
    if (found == kFirstOwn || best == kNone) best = found;
    if (found == kFirstOwn) break;
  }
  a.facts[Field::kDkim] = best;
  co_return true;
}

struct Tagged {
  Field field;
  std::string_view prefix, version, needs;
};
constexpr Tagged kTagged[] = {{Field::kMtaSts, "_mta-sts.", "STSv1", "id"},
                              {Field::kTlsRpt, "_smtp._tls.", "TLSRPTv1", "rua"},
                              {Field::kBimi, "default._bimi.", "BIMI1", "l"}};

}  // namespace

std::string_view word(Field field) { return columns()[static_cast<std::size_t>(field)].name; }
const std::vector<std::string_view>& words(Field field) { return columns()[static_cast<std::size_t>(field)].words; }

std::optional<Field> parse_field(std::string_view text) {
  for (std::size_t f = 0; f < kFields; ++f)
    if (columns()[f].name == text) return static_cast<Field>(f);
  return std::nullopt;
}

bool Facts::failed() const {
  return std::any_of(values.begin(), values.end(), [](std::uint8_t v) { return v >= kTimeout && v <= kMalformed; });
}

bool Plan::wants(Field field) const { return only.empty() || std::find(only.begin(), only.end(), field) != only.end(); }

std::string Plan::text() const {
  std::string out = "only=";
  for (std::size_t f = 0; f < kFields; ++f)
    if (!only.empty() && wants(static_cast<Field>(f))) out += std::string(columns()[f].name) + ",";
  out += " selectors=";
  for (const auto& selector : selectors) out += selector + ",";
  return out;
}

const std::vector<std::string>& common_selectors() {
  static const std::vector<std::string> all{"default", "google", "selector1", "selector2", "s1",   "s2",
                                            "k1",      "k2",     "mail",      "dkim",      "key1", "smtp"};
  return all;
}

core::Task<Facts> ask(mail::Domain name, const Plan& plan, dns::Resolver& resolver) {
  Asker a{name, plan, resolver};
  a.budget.dns_queries = 1000;
  auto first = ask_name(a);
  const bool named = co_await first;
  if (!named || a.is_missing()) co_return a.facts;
  if (plan.wants(Field::kDmarc)) {
    auto asking = a.question("_dmarc.", dns::Type::kTxt, Field::kDmarc);
    const dns::AnswerPtr answer = co_await asking;
    if (!answer) co_return a.facts;
    read_dmarc(*answer, a.facts);
  }
  auto keys = ask_keys(a);
  const bool keyed = co_await keys;
  if (!keyed) co_return a.facts;
  for (const auto& t : kTagged) {
    if (!plan.wants(t.field)) continue;
    auto asking = a.question(std::string(t.prefix), dns::Type::kTxt, t.field);
    const dns::AnswerPtr answer = co_await asking;
    if (!answer) co_return a.facts;
    a.facts[t.field] = read_tagged(*answer, t.version, t.needs);
  }
  co_return a.facts;
}

}  // namespace sekisho::survey
