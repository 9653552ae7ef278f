// spf and senderid show.
#include "base/core/text.h"
#include "cmd/show.h"
#include "road/identity/spf/spf.h"

namespace sekisho::cmd {
namespace {

using Status = Sheet::Status;

core::Budget budget_for_show() {
  core::Budget budget;
  budget.dns_queries = 200;
  return budget;
}

void add_terms(const spf::Shown::Part& part, ShownSection& section, Sheet& sheet) {
  bool ends = false;
  for (const auto& term : part.terms) {
    const bool all = term.kind == "all";
    ends = ends || all || term.kind == "redirect";
    const std::string tag = all ? std::string(1, term.qualifier) + "all" : std::string(term.kind);
    section.rows.push_back({tag, term.text, false, term.lookups, meaning("spf", tag, term.text)});
    const std::string text = core::printable(term.text);
    if (term.dead) sheet.problem("spf_dead", text);
    if (all && term.qualifier == '+' && !term.dead) sheet.problem("spf_pass_all", part.domain);
    if (term.kind == "ptr") sheet.problem("spf_ptr", text);
  }
  if (!ends && part.status == spf::Shown::Status::kRecord)
    section.rows.push_back({"all", "?all", true, 0, meaning("spf", "all", "")});
}

void add_part(const spf::Shown::Part& part, Sheet& sheet) {
  dns::Answer answer;
  answer.code = part.code;
  answer.texts = part.texts;
  ShownSection& section = sheet.ask(part.domain, answer);
  section.depth = part.depth;
  section.note = core::printable(part.by);
  section.record = part.record;
  const bool first = part.depth == 0;
  switch (part.status) {
    case spf::Shown::Status::kRecord:
      break;
    case spf::Shown::Status::kNothing:
      if (dns::is_temporary(part.code)) return;
      if (first)
        sheet.problem("show_none", part.domain, Status::kNone);
      else
        sheet.problem("spf_include_none", part.domain, Status::kInvalid);
      return;
    case spf::Shown::Status::kSeveral:
      sheet.problem("spf_several", part.domain, Status::kInvalid);
      break;
    case spf::Shown::Status::kSyntax:
      sheet.problem("spf_syntax", core::printable(part.offending), Status::kInvalid);
      break;
  }
  // The version is a row of its own: with Sender ID it says what the record is for.
  const auto version = part.record.substr(0, part.record.find(' '));
  const bool sender_id = core::istarts_with(version, "spf2.0/");
  section.rows.push_back(
      {"version",
       version,
       false,
       {},
       sender_id ? meaning("senderid", "version", version.substr(7)) : meaning("spf", "version", "*")});
  add_terms(part, section, sheet);
}

void add_spf(const spf::Shown& shown, const std::string& what, Sheet& sheet) {
  for (const auto& part : shown.parts) add_part(part, sheet);
  if (shown.lookups > spf::Settings{}.lookups_max)
    sheet.problem("spf_lookups", std::to_string(shown.lookups), Status::kInvalid);
  if (shown.loops) sheet.problem("spf_loops", "", Status::kInvalid);
  if (shown.cut) sheet.problem("spf_cut", "");
  const std::string count = std::to_string(shown.lookups);
  sheet.remarks.push_back(
      {what + "look-ups: at most " + count + " of 10", what + "問い合わせ: 最大 " + count + " 回 (上限 10 回)"});
}

core::Task<std::string> decode_spf(const Asked&, const mail::Domain& domain, dns::Resolver& resolver, Sheet& sheet) {
  sheet.evidence = Evidence::kAddress;
  core::Budget budget = budget_for_show();
  auto showing = spf::show(domain.text(), spf::Records::kSpf1, resolver, budget);
  const spf::Shown shown = co_await showing;
  add_spf(shown, "", sheet);
  sheet.more["lookups"] = shown.lookups;
  co_return std::string();
}

// Both scopes; where one record serves both it is shown once.
core::Task<std::string> decode_senderid(const Asked& asked, const mail::Domain& domain, dns::Resolver& resolver,
                                        Sheet& sheet) {
  sheet.evidence = Evidence::kAddress;
  core::Budget budget = budget_for_show();
  auto first = spf::show(domain.text(), spf::Records::kMfromThenSpf1, resolver, budget);
  const spf::Shown mfrom = co_await first;
  const auto records = asked.pra_uses_spf1 ? spf::Records::kPraThenSpf1 : spf::Records::kPra;
  auto second = spf::show(domain.text(), records, resolver, budget);
  const spf::Shown pra = co_await second;
  add_spf(mfrom, "mfrom     ", sheet);
  const auto& of_mfrom = mfrom.parts.front();
  const auto& of_pra = pra.parts.front();
  const bool fallback = core::istarts_with(of_mfrom.record, "v=spf1");
  if (fallback) {
    const auto why = meaning("senderid", "version", "spf1");
    sheet.remarks.push_back({"mfrom     " + why.en, "mfrom     " + why.ja});
  }
  if (of_pra.status == spf::Shown::Status::kNothing) {
    if (fallback) sheet.problem("senderid_pra_spf1", domain.text());
  } else if (of_pra.record != of_mfrom.record) {
    if (sheet.status == Status::kNone) sheet.status = Status::kRecord, sheet.problems.clear();
    add_spf(pra, "pra       ", sheet);
  }
  const auto used = [](const spf::Shown::Part& p) {
    return p.record.empty() ? boost::json::value(nullptr) : boost::json::value(utf8(p.record));
  };
  sheet.more["mfrom_record"] = used(of_mfrom);
  sheet.more["pra_record"] = used(of_pra);
  co_return std::string();
}

}  // namespace

int show_spf(const Arguments& arguments) {
  ShowCommand command{"spf", "A domain's SPF record (RFC 7208) and those it includes, term by term: meaning and cost.",
                      "  sekisho spf show example.org\n  sekisho spf show example.org --zone test.zone --json"};
  command.decode = decode_spf;
  return run_show(command, arguments);
}

int show_senderid(const Arguments& arguments) {
  ShowCommand command{
      "senderid", "Which records speak for a domain in Sender ID (RFC 4406), for each scope.",
      "  sekisho senderid show example.org\n  sekisho senderid show example.org -c sekisho.toml --json"};
  command.decode = decode_senderid;
  return run_show(command, arguments);
}

}  // namespace sekisho::cmd
