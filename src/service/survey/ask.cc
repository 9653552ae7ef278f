// The questions of one name and what the records say; each record is read through the door of its own room.
#include <algorithm>

#include "base/core/text.h"
#include "base/dns/fault.h"
#include "road/identity/dmarc/dmarc.h"
#include "road/identity/domainkeys/domainkeys.h"
#include "road/identity/signature/key.h"
#include "road/identity/spf/spf.h"
#include "service/survey/survey.h"

namespace sekisho::survey {
namespace {

constexpr std::uint8_t kDmarcSeveral = kFirstOwn + 3;

using Words = std::vector<std::string_view>;
struct Column {
  std::string_view name;
  Words words;
};

Words with(std::initializer_list<std::string_view> own) {
  Words out{"not_asked", "none", "timeout", "servfail", "refused", "other_code", "too_many_records", "malformed"};
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
      {"dmarc_applies", with({"p_none", "p_quarantine", "p_reject"})},
      {"dmarc_from", with({"own", "p_above", "sp_above", "np_above"})},
      {"mta_sts", with({"valid", "several", "invalid"})},
      {"tls_rpt", with({"valid", "several", "invalid"})},
      {"bimi", with({"valid", "several", "invalid"})},
  }};
  return all;
}

std::uint8_t fault_value(const dns::Answer& answer) {
  switch (dns::fault_of(answer)) {
    case dns::Fault::kRefused:
      return kRefused;
    case dns::Fault::kOtherRcode:
      return kOtherCode;
    case dns::Fault::kTooManyRecords:
      return kTooManyRecords;
    case dns::Fault::kNone:
      break;
  }
  return answer.code == dns::Code::kTimeout ? kTimeout : answer.code == dns::Code::kMalformed ? kMalformed : kServFail;
}

// Answers that are at hand, so that a record's own room reads them without asking again; what lies beyond them only
// where there is a resolver for it.
class AtHand final : public dns::Resolver {
 public:
  explicit AtHand(dns::Resolver* beyond = nullptr) : beyond_(beyond) {
    auto not_asked = std::make_shared<dns::Answer>();
    not_asked->code = dns::Code::kNotAllowed;
    nothing_ = not_asked;
  }
  void put(dns::Name name, dns::Type type, dns::AnswerPtr answer) {
    known_.push_back({std::move(name), type, std::move(answer)});
  }
  std::uint8_t fault() const { return fault_; }  // the last of beyond; kNotAsked: none

  dns::AnswerPtr ready(const dns::Name& name, dns::Type type) override {
    for (const auto& one : known_)
      if (one.type == type && one.name == name) return one.answer;
    return beyond_ ? noted(beyond_->ready(name, type)) : nothing_;
  }
  core::Task<dns::AnswerPtr> lookup(dns::Name name, dns::Type type, core::Budget& budget) override {
    dns::AnswerPtr answer = ready(name, type);
    if (!answer) {
      auto asking = beyond_->lookup(std::move(name), type, budget);
      answer = noted(co_await asking);
    }
    co_return answer;
  }

 private:
  dns::AnswerPtr noted(dns::AnswerPtr answer) {
    if (answer && dns::is_temporary(answer->code)) fault_ = fault_value(*answer);
    return answer;
  }
  struct Known {
    dns::Name name;
    dns::Type type;
    dns::AnswerPtr answer;
  };
  std::vector<Known> known_;
  dns::Resolver* beyond_;
  dns::AnswerPtr nothing_;
  std::uint8_t fault_ = kNotAsked;
};

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
  AtHand resolver;
  resolver.put(name.name(), dns::Type::kTxt, std::move(answer));
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
  facts[Field::kDmarc] = count > 1 ? kDmarcSeveral : record->p ? policy(record->p) : kFirstOwn + 4;
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

  bool over = false;  // a fault ended this try, or there is no such name

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
    const bool faulty = dns::is_temporary(answer->code);
    const bool many = dns::fault_of(*answer) == dns::Fault::kTooManyRecords;
    if (prefix.empty() && (!faulty || many))
      facts[Field::kName] = answer->code == dns::Code::kNxDomain ? kFirstOwn + 1 : kFirstOwn;
    if (!faulty) co_return answer;
    facts[field] = fault_value(*answer);
    over = !many;
    co_return nullptr;
  }
};

core::Task<void> ask_name(Asker& a) {
  if (a.plan.wants(Field::kMx)) {
    auto asking = a.question("", dns::Type::kMx, Field::kMx);
    const dns::AnswerPtr answer = co_await asking;
    if (answer) read_mx(*answer, a.facts);
  }
  a.over = a.over || a.facts[Field::kName] == kFirstOwn + 1;
  if (a.over || !a.plan.wants(Field::kSpf)) co_return;
  auto asking = a.question("", dns::Type::kTxt, Field::kSpf);
  const dns::AnswerPtr answer = co_await asking;
  if (answer) {
    auto reading = read_spf(a.name, answer, a.facts);
    co_await reading;
  }
  a.over = a.over || a.facts[Field::kName] == kFirstOwn + 1;
}

// RFC 9989 section 4.10.1. Where the name has a record of its own the domains above it are not asked.
core::Task<void> find_policy(Asker& a, dns::AnswerPtr own) {
  const std::uint8_t said = a.facts[Field::kDmarc];
  AtHand resolver(said == kNone || said == kDmarcSeveral ? &a.resolver : nullptr);
  resolver.put(mail::Domain::parse("_dmarc." + a.name.text())->name(), dns::Type::kTxt, std::move(own));
  if (a.facts[Field::kName] == kFirstOwn) {  // RFC 9989 section 3.2.13: any answer but NXDOMAIN
    auto exists = std::make_shared<dns::Answer>();
    exists->canonical = a.name.name();
    resolver.put(a.name.name(), dns::Type::kA, exists);
  }
  dmarc::Inputs inputs;
  inputs.author_domain = a.name;
  dmarc::Options options;
  options.verify_destinations = false;
  auto evaluating = dmarc::evaluate(inputs, resolver, options, a.budget);
  const dmarc::Evaluation found = co_await evaluating;
  auto& applies = a.facts[Field::kDmarcApplies];
  applies = kNone;
  a.facts[Field::kDmarcFrom] = kNone;
  if (resolver.fault() != kNotAsked) {
    applies = resolver.fault();
    a.over = true;
  } else if (found.record) {
    applies = static_cast<std::uint8_t>(kFirstOwn + static_cast<unsigned>(found.policy));
    a.facts[Field::kDmarcFrom] = static_cast<std::uint8_t>(found.policy_domain == a.name ? kFirstOwn
                                                           : found.policy_tag == "p"     ? kFirstOwn + 1
                                                           : found.policy_tag == "sp"    ? kFirstOwn + 2
                                                                                         : kFirstOwn + 3);
  }
}

core::Task<void> ask_dmarc(Asker& a) {
  if (!a.plan.wants(Field::kDmarc)) co_return;
  auto asking = a.question("_dmarc.", dns::Type::kTxt, Field::kDmarc);
  const dns::AnswerPtr answer = co_await asking;
  if (!answer) co_return;
  read_dmarc(*answer, a.facts);
  if (!mail::Domain::parse("_dmarc." + a.name.text())) co_return;
  auto finding = find_policy(a, answer);
  co_await finding;
}

core::Task<void> ask_keys(Asker& a) {
  const bool dkim = a.plan.wants(Field::kDkim);
  if (!dkim && !a.plan.wants(Field::kDomainKeys)) co_return;
  auto asking = a.question("_domainkey.", dns::Type::kTxt, Field::kDomainKeys);
  const dns::AnswerPtr answer = co_await asking;
  if (answer) read_domainkeys(*answer, a.facts);
  if (a.over || !dkim) co_return;
  std::uint8_t best = kNone;
  const bool below = !answer || answer->code != dns::Code::kNxDomain;  // RFC 8020: else nothing is below it either
  for (std::size_t i = 0; below && i < a.plan.selectors.size() && best != kFirstOwn; ++i) {
    auto looking = a.question(a.plan.selectors[i] + "._domainkey.", dns::Type::kTxt, Field::kDkim);
    const dns::AnswerPtr key = co_await looking;
    if (a.over) co_return;
    const std::uint8_t found = key ? read_key(*key) : a.facts[Field::kDkim];
    if (found == kFirstOwn || best == kNone) best = found;
  }
  a.facts[Field::kDkim] = best;
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

bool Facts::failed() const { return std::any_of(values.begin(), values.end(), is_fault); }

bool Facts::may_mend() const {
  return std::any_of(values.begin(), values.end(), [](auto v) { return is_fault(v) && v != kTooManyRecords; });
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
  auto naming = ask_name(a);
  co_await naming;
  if (a.over) co_return a.facts;
  auto policy = ask_dmarc(a);
  co_await policy;
  if (a.over) co_return a.facts;
  auto keys = ask_keys(a);
  co_await keys;
  for (const auto& t : kTagged) {
    if (a.over || !plan.wants(t.field)) continue;
    auto asking = a.question(std::string(t.prefix), dns::Type::kTxt, t.field);
    const dns::AnswerPtr answer = co_await asking;
    if (answer) a.facts[t.field] = read_tagged(*answer, t.version, t.needs);
  }
  co_return a.facts;
}

}  // namespace sekisho::survey
