// dmarc show: the record of a name, the policy that applies to it, and what the two ways of finding it say.
#include <algorithm>

#include "base/core/text.h"
#include "cmd/methods.h"
#include "cmd/show.h"
#include "road/identity/dmarc/dmarc.h"

namespace sekisho::cmd {
namespace {

using Status = Sheet::Status;

// RFC 9989 section 4.7, in its order; value is what holds when the tag is not there.
const std::vector<std::pair<std::string, std::string>> kDmarcDefaults{
    {"p", "none"}, {"sp", "p"}, {"np", "sp"}, {"adkim", "r"}, {"aspf", "r"},
    {"psd", "u"},  {"t", "n"},  {"rua", ""},  {"ruf", ""},    {"fo", "0"}};

void add_rows(const std::string& record, ShownSection& section) {
  const auto tags = split_tags(record);
  std::vector<std::string> seen;
  for (const auto& [name, value] : tags) {
    const std::string tag = core::to_lower(name);
    seen.push_back(tag);
    const bool policy = tag == "sp" || tag == "np";
    ShownRow row{tag, value, false, {}, meaning("dmarc", tag, value)};
    if (policy) {
      const auto what = meaning("dmarc", "p", value);
      row.meaning.en += " " + what.en, row.meaning.ja += what.ja;
    }
    section.rows.push_back(std::move(row));
  }
  for (const auto& [tag, value] : kDmarcDefaults)
    if (std::find(seen.begin(), seen.end(), tag) == seen.end())
      section.rows.push_back({tag, value, true, {}, meaning("dmarc", tag, "")});
}

// Every name that one of the two ways asks, with its own answer.
core::Task<void> ask_names(const std::vector<mail::Domain>& names, dns::Resolver& resolver, core::Budget& budget,
                           Sheet& sheet) {
  for (const auto& name : names) {
    const auto at = mail::Domain::parse("_dmarc." + name.text());
    if (!at) continue;
    auto asking = resolver.lookup(at->name(), dns::Type::kTxt, budget);
    const dns::AnswerPtr answer = co_await asking;
    ShownSection& section = sheet.ask(at->text(), *answer);
    std::size_t count = 0;
    for (const auto& text : answer->texts) {
      core::Budget own;
      if (dmarc::parse_record(text, own) && count++ == 0) section.record = text;
    }
    if (count > 1) sheet.problem("dmarc_several", at->text(), Status::kInvalid);
    if (count == 1) add_rows(section.record, section);
  }
}

void add_findings(const dmarc::Evaluation& e, Sheet& sheet) {
  constexpr std::pair<std::string_view, std::string_view> kOfFindings[] = {
      {"dmarc_record_syntax", "dmarc_syntax"},
      {"dmarc_testing", "dmarc_testing"},
      {"dmarc_rua_capped", "dmarc_capped"},
      {"dmarc_rua_unpermitted", "dmarc_unpermitted"},
      {"dmarc_rua_unknown", "dmarc_permission_unknown"},
      {"dmarc_author_nonexistent", "dmarc_nonexistent"}};
  for (const auto& f : e.findings) {
    if (f.code == "dmarc_record_invalid") sheet.problem("dmarc_no_policy", f.evidence, Status::kInvalid);
    for (const auto& [code, problem] : kOfFindings)
      if (f.code == code) sheet.problem(problem, f.evidence);
  }
  if (e.record && e.record->percentage) sheet.problem("dmarc_pct", std::to_string(*e.record->percentage));
}

// Where reports go and how each destination agreed.
core::Task<void> add_destinations(const dmarc::Evaluation& e, dns::Resolver& resolver, core::Budget& budget,
                                  Sheet& sheet) {
  boost::json::array out;
  for (const auto& d : e.destinations) {
    const std::string line = std::string(d.failure ? "ruf       " : "rua       ") + core::printable(d.address) + "  " +
                             std::string(dmarc::word(d.permission));
    sheet.remarks.push_back({line, line});
    if (d.asked) {
      const auto name = mail::Domain::parse(d.asked->text());
      if (name) {
        auto asking = resolver.lookup(*d.asked, dns::Type::kTxt, budget);
        const dns::AnswerPtr answer = co_await asking;
        const Status status = sheet.status;  // the record itself is known, whatever a destination's DNS does
        sheet.ask(name->text(), *answer).note = core::printable((d.failure ? "ruf " : "rua ") + d.address);
        sheet.status = status;
      }
    }
    boost::json::array sent_to;
    for (const auto& address : d.sent_to) sent_to.push_back(boost::json::value(utf8(address)));
    out.push_back({{"address", utf8(d.address)},
                   {"tag", d.failure ? "ruf" : "rua"},
                   {"permission", dmarc::word(d.permission)},
                   {"sent_to", sent_to}});
  }
  sheet.more["destinations"] = out;
}

core::Task<std::string> decode_dmarc(const Asked& asked, const mail::Domain& domain, dns::Resolver& resolver,
                                     Sheet& sheet) {
  sheet.evidence = Evidence::kBoth;
  const auto psl =
      asked.psl_file.empty() ? dmarc::PublicSuffixList::system() : dmarc::PublicSuffixList::load(asked.psl_file);
  if (!psl)
    co_return (asked.psl_file.empty() ? std::string("the system's public suffix list") : asked.psl_file) +
        " cannot be read";
  core::Budget budget;
  budget.dns_queries = 200;
  dmarc::Inputs inputs;
  inputs.author_domain = domain;
  auto looking = look_both_ways(inputs, resolver, asked.method, &*psl, budget);
  const BothWays both = co_await looking;
  dmarc::Options options;
  options.psl = &*psl;
  auto walking = dmarc::show(domain, resolver, options, budget);
  const dmarc::Shown walk = co_await walking;
  std::vector<mail::Domain> names;
  for (const auto& step : walk.steps) names.push_back(step.domain);
  const auto& by_list = both.psl.organizational_domain;
  if (by_list && std::find(names.begin(), names.end(), *by_list) == names.end()) names.push_back(*by_list);
  auto asking = ask_names(names, resolver, budget, sheet);
  co_await asking;
  const dmarc::Evaluation& followed = both.followed();
  add_findings(followed, sheet);
  auto sending = add_destinations(followed, resolver, budget, sheet);
  co_await sending;
  for (auto& line : explain(both)) sheet.remarks.push_back(std::move(line));
  if (both.differ()) sheet.problem("dmarc_methods_differ", domain.text());
  sheet.more["methods"] = to_json(both);
  if (followed.result == road::AuthResult::kTempError)
    sheet.problem("show_temperror", "_dmarc." + domain.text(), Status::kTemporary);
  else if (!followed.record && sheet.status == Status::kRecord)
    sheet.problem("show_none", "_dmarc." + domain.text(), Status::kNone);
  co_return std::string();
}

}  // namespace

int show_dmarc(const Arguments& arguments) {
  ShowCommand command{
      "dmarc",
      "A domain's DMARC record, tag by tag, and the policy for mail from this name: by the tree walk of "
      "RFC 9989 and by the\npublic suffix list of RFC 7489, where they differ.",
      "  sekisho dmarc show example.org\n"
      "  sekisho dmarc show mail.example.org -c sekisho.toml --json\n"
      "  sekisho dmarc show --organizational-domain www.example.co.jp --method psl"};
  command.psl = true;
  command.decode = decode_dmarc;
  return run_show(command, arguments);
}

}  // namespace sekisho::cmd
