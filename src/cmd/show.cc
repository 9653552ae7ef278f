#include "cmd/show.h"

#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>

#include "base/core/text.h"
#include "base/io/io.h"
#include "cmd/present.h"
#include "cmd/resolving.h"
#include "cmd/settings.h"

namespace sekisho::cmd {
namespace {

namespace json = boost::json;

struct Meaning {
  std::string_view family, tag, value, en, ja;
};
struct ProblemText {
  std::string_view code, rfc, en, ja;
};
constexpr Meaning kMeanings[] = {
#define MEANING(family, tag, value, en, ja) {family, tag, value, en, ja},
#define PROBLEM(code, rfc, en, ja)
#include "cmd/show.def"
#undef MEANING
#undef PROBLEM
};
constexpr ProblemText kProblemTexts[] = {
#define MEANING(family, tag, value, en, ja)
#define PROBLEM(code, rfc, en, ja) {#code, rfc, en, ja},
#include "cmd/show.def"
#undef MEANING
#undef PROBLEM
};

std::string filled_in(std::string_view text, std::string_view evidence) {
  std::string out(text);
  if (const auto at = out.find("%s"); at != std::string::npos) out.replace(at, 2, evidence);
  return out;
}

std::string_view word(dns::Code code) {
  constexpr std::string_view kWords[] = {"records",   "no_data",   "no_name",  "temperror",
                                         "temperror", "temperror", "not_asked"};
  return kWords[static_cast<std::size_t>(code)];
}
std::string_view word(Sheet::Status status) {
  constexpr std::string_view kWords[] = {"record", "none", "invalid", "temperror"};
  return kWords[static_cast<std::size_t>(status)];
}

json::object to_json(const road::Text& text) { return {{"en", utf8(text.en)}, {"ja", utf8(text.ja)}}; }

json::object to_json(const ShownSection& s) {
  json::array answers, rows;
  for (const auto& answer : s.answers) answers.push_back(json::value(utf8(answer)));
  for (const auto& row : s.rows)
    rows.push_back({{"tag", utf8(row.tag)},
                    {"value", utf8(row.value)},
                    {"default", row.is_default},
                    {"lookups", row.lookups ? json::value(*row.lookups) : json::value(nullptr)},
                    {"meaning", to_json(row.meaning)}});
  return {{"dig", "dig +short TXT " + s.name},
          {"name", s.name},
          {"answer", word(s.code)},
          {"texts", answers},
          {"record", s.record.empty() ? json::value(nullptr) : json::value(utf8(s.record))},
          {"because", utf8(s.note)},
          {"depth", s.depth},
          {"terms", rows}};
}

road::Text explain(Evidence evidence) {
  switch (evidence) {
    case Evidence::kAddress:
      return {"the address of the client; forwarding breaks it", "送信元の IP アドレス (転送されると成り立ちません)"};
    case Evidence::kSignature:
      return {"a signature in the mail; changing the mail breaks it", "メールの署名 (内容が変わると成り立ちません)"};
    case Evidence::kBoth:
      return {"the address of the client (SPF) or a signature (DKIM)", "送信元の IP アドレス (SPF) または署名 (DKIM)"};
    case Evidence::kNone:
      break;
  }
  return {"nothing", "なし"};
}

json::object to_json(const ShowCommand& command, const Asked& asked, const Sheet& sheet) {
  json::array sections, problems, remarks;
  for (const auto& s : sheet.sections) sections.push_back(to_json(s));
  for (const auto& p : sheet.problems)
    problems.push_back({{"code", p.code}, {"rfc", p.rfc}, {"text", to_json(p.text)}});
  for (const auto& r : sheet.remarks) remarks.push_back(to_json(r));
  json::object out{{"method", command.method},
                   {"name", utf8(asked.name)},
                   {"status", word(sheet.status)},
                   {"evidence", word(sheet.evidence)},
                   {"evidence_text", to_json(explain(sheet.evidence))},
                   {"questions", sections},
                   {"remarks", remarks},
                   {"problems", problems}};
  for (const auto& member : sheet.more) out[member.key()] = member.value();
  return out;
}

// For a terminal: what would move its cursor, and U+FFFD for what is no UTF-8.
std::string safe(std::string_view text) {
  std::string out = utf8(text);
  std::erase_if(out, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
  return out;
}

void print(const ShownSection& s) {
  const std::string indent(s.depth * 2, ' ');
  std::printf("%sdig +short TXT %s%s%s\n", indent.c_str(), s.name.c_str(), s.note.empty() ? "" : "   # ",
              safe(s.note).c_str());
  if (s.code != dns::Code::kRecords) std::printf("%s  (%s)\n", indent.c_str(), std::string(word(s.code)).c_str());
  for (const auto& answer : s.answers) std::printf("%s\"%s\"\n", indent.c_str(), core::printable(answer, 2000).c_str());
  for (const auto& row : s.rows) {
    const std::string value = row.is_default ? "(" + row.value + ")" : row.value;
    std::string cost;
    if (row.lookups) cost = *row.lookups ? "[+" + std::to_string(*row.lookups) + "] " : "[+0] ";
    std::printf("%s  %-9s %-28s %s%s\n%s  %-9s %-28s %s\n", indent.c_str(), core::printable(row.tag, 40).c_str(),
                core::printable(value, 300).c_str(), cost.c_str(), row.meaning.en.c_str(), indent.c_str(), "", "",
                row.meaning.ja.c_str());
  }
}

void print(const Sheet& sheet) {
  for (const auto& section : sheet.sections) print(section);
  for (const auto& remark : sheet.remarks) {
    std::printf("%s\n", safe(remark.en).c_str());
    if (remark.ja != remark.en) std::printf("%s\n", safe(remark.ja).c_str());
  }
  for (const auto& p : sheet.problems)
    std::printf("problem   %s%s%s\n          %s\n", safe(p.text.en).c_str(), p.rfc.empty() ? "" : "  ",
                p.rfc.empty() ? "" : ("[" + std::string(p.rfc) + "]").c_str(), safe(p.text.ja).c_str());
  const auto rests = explain(sheet.evidence);
  std::printf("evidence  %s: %s\n          %s\n", std::string(word(sheet.evidence)).c_str(), rests.en.c_str(),
              rests.ja.c_str());
}

int exit_status(Sheet::Status status) {
  switch (status) {
    case Sheet::Status::kRecord:
      return 0;
    case Sheet::Status::kTemporary:
      return 3;
    default:
      return 1;
  }
}

}  // namespace

ShownSection& Sheet::ask(std::string name, const dns::Answer& answer) {
  ShownSection section;
  section.name = std::move(name);
  section.code = answer.code;
  section.answers = answer.texts;
  if (dns::is_temporary(answer.code)) problem("show_temperror", section.name, Status::kTemporary);
  return sections.emplace_back(std::move(section));
}

void Sheet::problem(std::string_view code, std::string_view about, Status found) {
  status = std::max(status, found);
  for (const auto& row : kProblemTexts) {
    if (row.code != code) continue;
    ShownProblem out{row.code, row.rfc, {filled_in(row.en, about), filled_in(row.ja, about)}};
    const auto same = [&](const ShownProblem& p) { return p.code == out.code && p.text.en == out.text.en; };
    if (std::none_of(problems.begin(), problems.end(), same)) problems.push_back(std::move(out));
    return;
  }
}

road::Text meaning(std::string_view family, std::string_view tag, std::string_view value) {
  const auto find = [&](std::string_view t, std::string_view v) {
    return std::find_if(std::begin(kMeanings), std::end(kMeanings), [&](const Meaning& m) {
      return m.family == family && m.tag == t && core::iequals(m.value, v);
    });
  };
  auto at = find(tag, value);
  if (at == std::end(kMeanings) && !value.empty()) at = find(tag, "*");
  if (at == std::end(kMeanings)) at = find("*", "*");
  return at == std::end(kMeanings) ? road::Text{} : road::Text{std::string(at->en), std::string(at->ja)};
}

std::vector<std::pair<std::string, std::string>> split_tags(std::string_view record) {
  constexpr std::size_t kTagsMax = 100;
  std::vector<std::pair<std::string, std::string>> out;
  while (!record.empty() && out.size() < kTagsMax) {
    const auto end = record.find(';');
    const auto piece = record.substr(0, end);
    record = end == record.npos ? std::string_view() : record.substr(end + 1);
    const auto equals = piece.find('=');
    const auto name = core::trim_fws(piece.substr(0, equals));
    const auto value = equals == piece.npos ? std::string_view() : core::trim_fws(piece.substr(equals + 1));
    if (!name.empty()) out.emplace_back(name, value);
  }
  return out;
}

bool wants_show(const Arguments& arguments) { return !arguments.empty() && arguments.front() == "show"; }

int run_show(const ShowCommand& command, const Arguments& arguments) {
  Asked asked;
  std::string zone, resolver_text;
  bool json = false;
  Cli cli(command.method + " show", command.description, command.examples);
  cli.positional("NAME", asked.name,
                 command.mail ? "a domain name, as for dig; none with --mail" : "a domain name, as for dig", false);
  if (command.selector)
    cli.text("--selector", asked.selector, "the key of this selector (or NAME has it: s1._domainkey.example.org)");
  if (command.mail) cli.text("--mail", asked.mail, "the keys and sets of this message, '-' is standard input");
  if (command.psl) cli.text("--psl", asked.psl_file, "public suffix list file; the system's when left out");
  if (command.mail) cli.number("--now", asked.now, 0, INT64_C(253402300799), "wall time as epoch seconds; 0 is now");
  cli.text("--zone", zone, "master file laid over the DNS");
  cli.text("--resolver", resolver_text, "ask this resolver, HOST:PORT");
  cli.text("-c,--config", asked.config, "ask the resolvers of this config file, and follow its settings");
  cli.flag("--json", json, "one JSON document on standard output");
  if (const auto status = cli.parse(Arguments(arguments.begin() + 1, arguments.end()))) return *status;
  if (asked.name.empty() == asked.mail.empty())
    return cli.usage_error(command.mail ? "give one of NAME and --mail" : "give the NAME to look at");
  core::Result<std::unique_ptr<dns::Resolver>, std::string> resolver = core::error(std::string());
  if (asked.config.empty()) {
    resolver = make_resolver(zone, resolver_text);
  } else {
    auto settings = load_settings(asked.config);
    if (!settings) return cli.usage_error(settings.error().front().text());
    asked.pra_uses_spf1 = settings->road->identity.sender_id_pra_spf1;
    asked.method = settings->road->identity.dmarc_method;
    if (asked.psl_file.empty()) asked.psl_file = settings->values.text("dmarc.psl_file");
    resolver = make_resolver(zone.empty() ? settings->zone_file : zone, resolver_text, settings->dns);
  }
  if (!resolver) return cli.usage_error(resolver.error());
  Sheet sheet;
  const auto domain = mail::Domain::parse(asked.mail.empty() ? asked.name : "mail.invalid");
  if (!domain)
    sheet.problem("show_no_name", core::printable(asked.name), Sheet::Status::kNone);
  else if (const auto fault = io::run(command.decode(asked, *domain, **resolver, sheet)); !fault.empty())
    return cli.usage_error(fault);
  if (json)
    print_json(to_json(command, asked, sheet));
  else
    print(sheet);
  return exit_status(sheet.status);
}

}  // namespace sekisho::cmd
