// Which names are asked for each type, which of the texts there counts, and what one record says about another.
#include <algorithm>

#include "base/core/text.h"
#include "service/records/rule.h"

namespace sekisho::records {
namespace {

// Selectors that big senders and common guides use; none of them must be there.
constexpr std::string_view kUsualSelectors[] = {"default", "mail",   "dkim",      "s1",        "s2",      "k1",
                                                "k2",      "google", "selector1", "selector2", "20230601"};

Id several_of(Type type) {
  constexpr Id kIds[] = {Id::k_spf_several,   Id::k_senderid_several, Id::k_domainkeys_syntax, Id::k_dkim_several,
                         Id::k_dmarc_several, Id::k_sts_several,      Id::k_tlsrpt_several,    Id::k_bimi_several};
  return kIds[static_cast<std::size_t>(type)];
}

void append(Problems& to, Problems from) {
  to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

void complain(Sheet& sheet, Id id, std::string_view evidence = {}) {
  Complaints out(sheet.name, sheet.record);
  out.add(id, evidence);
  append(sheet.problems, out.done());
}

// Several spf2.0 records are right as long as no two have a scope in common.
std::size_t most_of_a_scope(const std::vector<Text>& texts) {
  std::size_t counts_of[2] = {};
  for (const auto& text : texts) {
    if (!counts(Type::kSenderId, text.octets)) continue;
    const std::string scopes = "," + core::to_lower(text.octets.substr(7, text.octets.find(' ') - 7)) + ",";
    counts_of[0] += scopes.find(",mfrom,") != std::string::npos;
    counts_of[1] += scopes.find(",pra,") != std::string::npos;
  }
  return std::max(counts_of[0], counts_of[1]);
}

// Which texts count, which are only meant; lints the first that counts, or each that does not.
void choose(Sheet& sheet, core::Budget& budget) {
  std::size_t counting = 0;
  for (const auto& text : sheet.texts) {
    if (counts(sheet.type, text.octets)) {
      if (++counting == 1 || sheet.type == Type::kSenderId) {
        if (counting == 1) sheet.record = text.octets;
        append(sheet.problems, lint_text(sheet.type, sheet.name, text, budget));
      }
    } else if (is_meant(sheet.type, text.octets)) {
      append(sheet.problems, lint_text(sheet.type, sheet.name, text, budget));
    }
  }
  if (counting > 0) sheet.status = Sheet::Status::kFound;
  const std::size_t same = sheet.type == Type::kSenderId ? most_of_a_scope(sheet.texts) : counting;
  if (same > 1) complain(sheet, several_of(sheet.type), std::to_string(same));
}

core::Task<void> read(Visit visit, Sheet& sheet) {
  auto asking = ask(visit, sheet.name, dns::Type::kTxt);
  const dns::AnswerPtr answer = co_await asking;
  if (dns::is_temporary(answer->code)) {
    sheet.status = Sheet::Status::kTemporary;
    complain(sheet, answer->code == dns::Code::kNotAllowed ? Id::k_dns_budget : Id::k_dns_temporary, sheet.name);
    co_return;
  }
  sheet.texts = texts_of(*answer);
  choose(sheet, visit.budget);
}

// A record that a relative name without its final dot has put at NAME.DOMAIN.DOMAIN.
core::Task<void> look_for_doubled(Visit visit, Sheet& sheet) {
  if (sheet.status != Sheet::Status::kNone || sheet.type == Type::kSpf || sheet.type == Type::kSenderId) co_return;
  const std::string name = sheet.name + "." + visit.orders.domain.text();
  auto asking = ask(visit, name, dns::Type::kTxt);
  const dns::AnswerPtr answer = co_await asking;
  for (const auto& text : answer->texts)
    if (is_meant(sheet.type, text)) co_return complain(sheet, Id::k_doubled_name, name);
}

// The size of the reply to a TXT query: header, question, and each record with a compressed owner.
std::size_t reply_octets(const Sheet& sheet) {
  std::size_t out = 12 + sheet.name.size() + 2 + 4;
  for (const auto& text : sheet.texts) {
    const std::size_t strings = text.string_sizes.empty() ? 1 : text.string_sizes.size();
    out += 12 + text.octets.size() + strings;
  }
  return out;
}

core::Task<void> look_at_spf(Visit visit, Sheet& sheet) {
  if (sheet.status == Sheet::Status::kTemporary) co_return;
  const std::string& domain = visit.orders.domain.text();
  auto old = ask(visit, domain, dns::Type::kSpf);
  const dns::AnswerPtr type99 = co_await old;
  if (!type99->texts.empty()) complain(sheet, Id::k_spf_type99);
  if (sheet.status == Sheet::Status::kNone) {
    complain(sheet, Id::k_spf_none, domain);
    for (const char* label : {"_spf.", "spf.", "www."}) {
      auto asking = ask(visit, label + domain, dns::Type::kTxt);
      const dns::AnswerPtr answer = co_await asking;
      for (const auto& text : answer->texts)
        if (counts(Type::kSpf, text)) complain(sheet, Id::k_spf_wrong_place, label + domain);
    }
    co_return;
  }
  auto walking = walk_spf(visit, sheet, false);
  co_await walking;
  sheet.cost->answer_octets = reply_octets(sheet);
  if (sheet.cost->answer_octets > 512)
    complain(sheet, Id::k_answer_over_512, std::to_string(sheet.cost->answer_octets));
  auto mx = ask(visit, domain, dns::Type::kMx);
  const dns::AnswerPtr exchanges = co_await mx;
  const bool null_mx = exchanges->exchanges.size() == 1 && exchanges->exchanges.front().exchange.is_root();
  if (null_mx && core::to_lower(sheet.record) != "v=spf1 -all") complain(sheet, Id::k_spf_null_mx, sheet.record);
}

core::Task<void> look_at_sender_id(Visit visit, Sheet& sheet) {
  if (sheet.status == Sheet::Status::kFound) {
    auto walking = walk_spf(visit, sheet, true);
    co_await walking;
    sheet.cost->answer_octets = reply_octets(sheet);
  } else if (std::any_of(sheet.texts.begin(), sheet.texts.end(),
                         [](const Text& text) { return counts(Type::kSpf, text.octets); })) {
    complain(sheet, Id::k_senderid_spf1_pra);
  }
}

core::Task<void> look_at_wrong_places(Visit visit, Sheet& sheet) {
  if (sheet.status != Sheet::Status::kNone) co_return;
  const std::string& domain = visit.orders.domain.text();
  auto asking = ask(visit, domain, dns::Type::kTxt);
  const dns::AnswerPtr answer = co_await asking;
  for (const auto& text : answer->texts) {
    if (sheet.type == Type::kDmarc && core::istarts_with(text, "v=dmarc1"))
      complain(sheet, Id::k_dmarc_wrong_place, domain);
    if (sheet.type == Type::kDkim && core::istarts_with(text, "v=dkim1"))
      complain(sheet, Id::k_dkim_wrong_place, domain);
  }
}

core::Task<void> look_at_dkim(Visit visit, std::vector<Sheet>& sheets) {
  const auto& given = visit.orders.selectors;
  std::size_t found = 0;
  std::vector<std::string> selectors(given);
  if (given.empty()) selectors.assign(std::begin(kUsualSelectors), std::end(kUsualSelectors));
  for (const auto& selector : selectors) {
    const auto name = place_of(Type::kDkim, visit.orders.domain, selector);
    Sheet sheet;
    sheet.type = Type::kDkim;
    sheet.selector = selector;
    sheet.name = name ? name->text() : core::printable(selector);
    if (name) {
      auto reading = read(visit, sheet);
      co_await reading;
    }
    const bool there = sheet.status == Sheet::Status::kFound;
    found += there;
    if (given.empty() && !there) {
      if (sheet.status == Sheet::Status::kTemporary) sheets.push_back(std::move(sheet));
      if (!sheets.empty() && sheets.back().status == Sheet::Status::kTemporary) break;
      continue;
    }
    if (sheet.status == Sheet::Status::kNone) {
      complain(sheet, Id::k_dkim_missing, sheet.name);
      auto doubled = look_for_doubled(visit, sheet);
      co_await doubled;
      auto misplaced = look_at_wrong_places(visit, sheet);
      co_await misplaced;
    }
    sheets.push_back(std::move(sheet));
  }
  if (given.empty() && found == 0 && (sheets.empty() || sheets.back().type != Type::kDkim)) {
    Sheet none;
    none.type = Type::kDkim;
    none.name = "*._domainkey." + visit.orders.domain.text();
    complain(none, Id::k_dkim_no_selector);
    auto misplaced = look_at_wrong_places(visit, none);
    co_await misplaced;
    sheets.push_back(std::move(none));
  }
}

core::Task<void> look_at_policy(Visit visit, Sheet& sheet) {
  if (sheet.status != Sheet::Status::kFound) co_return;
  auto asking = ask(visit, visit.orders.domain.text(), dns::Type::kMx);
  const dns::AnswerPtr answer = co_await asking;
  std::vector<std::string> mx;
  for (const auto& exchange : answer->exchanges)
    if (!exchange.exchange.is_root()) mx.push_back(exchange.exchange.text());
  if (!answer->exchanges.empty() && mx.empty()) complain(sheet, Id::k_sts_no_mx);
  if (visit.orders.sts_policy)
    append(sheet.problems, lint_sts_policy("mta-sts.txt", *visit.orders.sts_policy, mx, visit.budget));
  else
    complain(sheet, Id::k_sts_no_policy, visit.orders.domain.text());
}

core::Task<void> look_at_bimi(Visit visit, Sheet& sheet) {
  if (sheet.status != Sheet::Status::kFound) co_return;
  dmarc::Inputs inputs;
  inputs.author_domain = visit.orders.domain;
  dmarc::Options options;
  options.verify_destinations = false;
  auto evaluating = dmarc::evaluate(inputs, visit.resolver, options, visit.budget);
  const dmarc::Evaluation e = co_await evaluating;
  if (e.result == road::AuthResult::kTempError)
    complain(sheet, Id::k_dns_temporary, "_dmarc." + visit.orders.domain.text());
  else if (e.policy == dmarc::Policy::kNone)
    complain(sheet, Id::k_bimi_dmarc, e.policy_domain ? "p=none" : "no record");
}

core::Task<void> look_at(Visit visit, Sheet& sheet, bool named) {
  auto reading = read(visit, sheet);
  co_await reading;
  auto doubled = look_for_doubled(visit, sheet);
  co_await doubled;
  // No lambdas here: each is a Task of its own.
  core::Task<void> (*const kMore[])(Visit, Sheet&) = {look_at_spf,  look_at_sender_id, nullptr, nullptr,
                                                      follow_dmarc, look_at_policy,    nullptr, look_at_bimi};
  if (const auto more = kMore[static_cast<std::size_t>(sheet.type)]) {
    auto going = more(visit, sheet);
    co_await going;
  }
  auto misplaced = look_at_wrong_places(visit, sheet);
  co_await misplaced;
  const bool inherited =
      sheet.type == Type::kDmarc && std::any_of(sheet.problems.begin(), sheet.problems.end(),
                                                [](const Problem& p) { return p.rule->code == "dmarc_inherited"; });
  if (named && sheet.status == Sheet::Status::kNone && !inherited) complain(sheet, Id::k_record_missing, sheet.name);
}

// p=reject without anything that could pass.
void compare(std::vector<Sheet>& sheets) {
  Sheet* dmarc_sheet = nullptr;
  bool spf_asked = false, dkim_asked = false, proof = false;
  for (auto& sheet : sheets) {
    spf_asked = spf_asked || sheet.type == Type::kSpf;
    dkim_asked = dkim_asked || sheet.type == Type::kDkim;
    if (sheet.type == Type::kDmarc) dmarc_sheet = &sheet;
    if (sheet.type == Type::kSpf || sheet.type == Type::kDkim) proof = proof || sheet.status != Sheet::Status::kNone;
  }
  if (!dmarc_sheet || !spf_asked || !dkim_asked || proof) return;
  core::Budget budget;
  const auto record = dmarc::parse_record(dmarc_sheet->record, budget);
  if (record && record->p && *record->p != dmarc::Policy::kNone)
    complain(*dmarc_sheet, Id::k_dmarc_no_proof, dmarc::word(*record->p));
}

}  // namespace

core::Task<dns::AnswerPtr> ask(Visit visit, std::string name, dns::Type type) {
  const auto domain = mail::Domain::parse(name);
  if (!domain) {  // what is no domain name is asked by nobody
    auto none = std::make_shared<dns::Answer>();
    none->code = dns::Code::kNxDomain;
    co_return none;
  }
  auto asking = visit.resolver.lookup(domain->name(), type, visit.budget);
  co_return co_await asking;
}

core::Task<std::vector<Sheet>> examine(const Orders& orders, dns::Resolver& resolver, core::Budget& budget) {
  const Visit visit{orders, resolver, budget};
  std::vector<Sheet> sheets;
  for (std::size_t i = 0; i < kTypes; ++i) {
    const Type type = static_cast<Type>(i);
    const bool named = std::find(orders.types.begin(), orders.types.end(), type) != orders.types.end();
    if (!orders.types.empty() && !named) continue;
    if (type == Type::kDkim) {
      auto looking = look_at_dkim(visit, sheets);
      co_await looking;
      continue;
    }
    Sheet sheet;
    sheet.type = type;
    if (type == Type::kBimi)
      sheet.selector =
          orders.types.size() == 1 && !orders.selectors.empty() ? orders.selectors.front() : std::string(kBimiSelector);
    const auto name = place_of(type, orders.domain, sheet.selector);
    sheet.name = name ? name->text() : orders.domain.text();
    auto looking = look_at(visit, sheet, named);
    co_await looking;
    sheets.push_back(std::move(sheet));
  }
  compare(sheets);
  co_return sheets;
}

}  // namespace sekisho::records
