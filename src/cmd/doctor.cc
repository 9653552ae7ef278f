// sekisho doctor -c FILE
#include "service/doctor/doctor.h"

#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>

#include "base/control/control.h"
#include "base/core/text.h"
#include "base/dns/stub.h"
#include "base/dns/zone.h"
#include "cmd/commands.h"
#include "cmd/present.h"
#include "cmd/settings.h"

namespace sekisho::cmd {

namespace {

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    out.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

bool is_well(const doctor::Finding& finding) { return finding.grade <= doctor::Grade::kSkipped; }

boost::json::array lines_json(const std::vector<std::string>& lines) {
  boost::json::array out;
  for (const auto& line : lines) out.emplace_back(utf8(line));
  return out;
}

boost::json::object finding_json(const doctor::Finding& f) {
  const bool well = is_well(f);
  boost::json::object out{
      {"section", f.check->section},  {"code", f.check->code},
      {"subject", utf8(f.subject)},   {"grade", doctor::word(f.grade)},
      {"evidence", utf8(f.evidence)}, {"text", {{"en", f.check->title_en}, {"ja", f.check->title_ja}}}};
  out["meaning"] =
      well ? boost::json::value(nullptr) : boost::json::value{{"en", f.check->means_en}, {"ja", f.check->means_ja}};
  out["postfix"] = well ? boost::json::array() : lines_json(lines_of(f.check->postfix));
  out["sendmail"] = well ? boost::json::array() : lines_json(lines_of(f.check->sendmail));
  out["records"] = lines_json(f.records);
  return out;
}

// How many columns of a terminal: what is not ASCII takes two there, but for most of Latin.
std::size_t width(std::string_view text) {
  std::size_t out = 0;
  for (const char c : text) {
    const auto octet = static_cast<unsigned char>(c);
    out += octet < 0x80 ? 1 : octet >= 0xe0 ? 2 : octet >= 0xc0 ? 1 : 0;
  }
  return out;
}

std::string padded(std::string text, std::size_t columns) {
  const std::size_t have = width(text);
  return text + std::string(have < columns ? columns - have : 0, ' ');
}

std::string_view word_ja(doctor::Grade grade) {
  switch (grade) {
    case doctor::Grade::kOk:
      return "良好";
    case doctor::Grade::kSkipped:
      return "未実施";
    case doctor::Grade::kWarning:
      return "警告";
    case doctor::Grade::kFailure:
      return "失敗";
  }
  return "";
}

void print_advice(const doctor::Finding& f, bool japanese) {
  const std::string indent(10, ' ');
  const auto list = [&](const char* who, std::string_view text) {
    for (const auto& line : lines_of(text)) std::printf("%s%s  %s\n", indent.c_str(), who, line.c_str());
  };
  const std::string_view means = japanese ? f.check->means_ja : f.check->means_en;
  std::printf("%s%s\n", indent.c_str(), std::string(means).c_str());
  list("Postfix ", f.check->postfix);
  list("Sendmail", f.check->sendmail);
}

void print_table(const std::vector<doctor::Finding>& findings, bool japanese) {
  const auto title = [&](const doctor::Finding& f) {
    return std::string(japanese ? f.check->title_ja : f.check->title_en);
  };
  std::size_t titles = 0, subjects = 0;
  for (const auto& f : findings) {
    titles = std::max(titles, width(title(f)));
    subjects = std::max(subjects, std::min<std::size_t>(width(f.subject), 40));
  }
  std::string_view section;
  const doctor::Check* told = nullptr;  // advice once for several findings of one kind
  for (std::size_t i = 0; i < findings.size(); ++i) {
    const auto& f = findings[i];
    if (f.check->section != section)
      std::printf("%s%s\n", section.empty() ? "" : "\n", std::string(section = f.check->section).c_str());
    const std::string_view grade = japanese ? word_ja(f.grade) : doctor::word(f.grade);
    std::printf("  %s%s  %s  %s\n", padded(std::string(grade), 9).c_str(), padded(title(f), titles).c_str(),
                padded(f.subject, subjects).c_str(), f.evidence.c_str());
    if (!is_well(f)) told = f.check;
    const bool last = i + 1 == findings.size() || findings[i + 1].check != f.check;
    if (last && told == f.check) print_advice(f, japanese);
    if (last) told = nullptr;
    for (const auto& record : f.records) std::printf("            > %s\n", record.c_str());
  }
}

doctor::Patient patient_of(const Settings& s) {
  doctor::Patient out;
  out.host = s.road->action.host;
  out.state_dir = s.state_dir;
  for (std::size_t i = 0; i < s.values.count("local_domain"); ++i) {
    const std::string at = "local_domain[" + std::to_string(i) + "].";
    const auto name = mail::Domain::parse(s.values.text(at + "name"));
    if (name)
      out.domains.push_back({name->text(), s.values.text(at + "next_hop"), s.values.text(at + "check") == "probe"});
  }
  out.listen = s.mx;
  if (s.certificates)
    for (const auto& facts : s.certificates->certificates()) out.certificates.push_back(facts.files);
  out.hops = s.hops;
  out.signing = s.signing;
  for (const auto& warning : s.warnings) out.key_warnings.push_back(warning.message);
  out.free_bytes = s.trail.ledger.min_free_bytes;
  out.message_bytes = s.road->message_bytes;
  out.sessions_count = s.gate.sessions;
  return out;
}

// All that asks lives longer than the loop it asks on.
struct Practice {
  core::SystemClock clock;
  core::SystemRandom random;
  io::Pool pool{2};
  std::vector<std::unique_ptr<dns::StubResolver>> alone;
  std::unique_ptr<dns::Resolver> resolver;
};

std::vector<std::pair<io::Endpoint, dns::Resolver*>> open_resolvers(Practice& p, const Settings& s) {
  std::vector<std::pair<io::Endpoint, dns::Resolver*>> out;
  p.resolver = dns::make_stub(s.dns, p.clock, p.random);
  if (s.zone) p.resolver = dns::make_overlay(*s.zone, std::move(p.resolver));
  for (const auto& server : s.dns.servers) {
    dns::StubOptions options;
    options.servers.push_back(server);
    options.timeout_ms = 3000;
    p.alone.push_back(dns::make_stub(std::move(options), p.clock, p.random));
    out.emplace_back(server, p.alone.back().get());
  }
  return out;
}

core::Task<std::vector<doctor::Finding>> visit(doctor::Patient& patient, const doctor::Orders& orders,
                                               const doctor::Tools& tools, const std::string& control_socket) {
  auto asked = co_await io::Socket::connect_unix(control_socket, io::now_ms() + 1000);
  patient.served = asked.ok();
  if (asked) asked->close();
  co_return co_await doctor::examine(patient, orders, tools);
}

int report(const std::string& file, const std::vector<doctor::Finding>& findings, bool json, bool japanese) {
  std::size_t counts[4] = {};
  for (const auto& f : findings) ++counts[static_cast<std::size_t>(f.grade)];
  const bool well = counts[3] == 0;
  if (json) {
    boost::json::array all;
    for (const auto& f : findings) all.push_back(finding_json(f));
    print_json(boost::json::object{
        {"file", utf8(file)},
        {"ok", well},
        {"counts", {{"ok", counts[0]}, {"skipped", counts[1]}, {"warning", counts[2]}, {"failure", counts[3]}}},
        {"findings", std::move(all)}});
    return well ? 0 : 1;
  }
  print_table(findings, japanese);
  std::printf(
      japanese ? "\n良好 %zu、未実施 %zu、警告 %zu、失敗 %zu\n" : "\n%zu ok, %zu skipped, %zu warnings, %zu failures\n",
      counts[0], counts[1], counts[2], counts[3]);
  return well ? 0 : 1;
}

int refuse_config(const std::string& file, const std::vector<config::Problem>& problems, bool json) {
  tell_problems(problems);
  if (json) print_json(boost::json::object{{"file", utf8(file)}, {"ok", false}, {"problems", problems_json(problems)}});
  return 1;
}

}  // namespace

int doctor(const Arguments& arguments) {
  std::string file, language = "en";
  std::optional<std::string> rcpt;
  doctor::Orders orders;
  bool json = false;
  Cli cli(
      "doctor",
      "Looks at DNS, records, certificates, permissions, clock, disk, limits, ports and next hops, and says what to "
      "change. Changes nothing. With --probe-rcpt it sends the next hop octets that a mail server should refuse, and "
      "marked mails to that recipient.",
      "  sekisho doctor -c /etc/sekisho/sekisho.toml\n  sekisho doctor -c sekisho.toml --only next_hop --probe-rcpt "
      "postmaster@example.org --mailbox /home/postmaster/Maildir\n  sekisho doctor -c sekisho.toml --json | jq "
      "'.findings[] | select(.grade != \"ok\")'");
  cli.text("-c,--config", file, "the config file", true);
  cli.texts("--only", orders.only, "look only at this section; may be given several times");
  cli.octets("--probe-rcpt", rcpt, "a mailbox of a local domain that takes the probes' mail");
  cli.text("--mailbox", orders.mailbox, "where mail to --probe-rcpt arrives: a Maildir or an mbox file");
  cli.text("--dnssec-name", orders.dnssec_name, "a signed name: its answer must carry the AD bit");
  cli.choice("--lang", language, {"en", "ja"}, "language of the table");
  cli.flag("--json", json, "one JSON document on standard output");
  if (const auto status = cli.parse(arguments)) return *status;
  const auto known = doctor::sections();
  for (const auto& section : orders.only)
    if (std::find(known.begin(), known.end(), section) == known.end()) {
      std::string all;
      for (const auto each : known) all += (all.empty() ? "" : ", ") + std::string(each);
      return cli.usage_error("--only: there is no section '" + core::printable(section) + "': " + all);
    }
  const auto settings = load_settings(file);
  if (!settings) {
    const auto& problems = settings.error();
    if (problems.size() == 1 && problems.front().line == 0) return tell_problems(problems), 2;
    return refuse_config(file, problems, json);
  }
  doctor::Patient patient = patient_of(*settings);
  if (rcpt) {
    const auto at = rcpt->rfind('@');
    const auto domain = at == std::string::npos ? std::nullopt : mail::Domain::parse(rcpt->substr(at + 1));
    const auto odd = [](char c) { return c <= ' ' || c == '<' || c == '>' || c == 127; };
    if (!domain || !settings->road->domains.find(*domain) || std::any_of(rcpt->begin(), rcpt->end(), odd))
      return cli.usage_error("--probe-rcpt: '" + core::printable(*rcpt) + "' is not an address in a local_domain");
    orders.probe_rcpt = *rcpt;
  }
  if (!orders.mailbox.empty() && orders.probe_rcpt.empty())
    return cli.usage_error("--mailbox tells where mail to --probe-rcpt arrives: give both");
  Practice practice;
  auto servers = open_resolvers(practice, *settings);
  const doctor::Tools tools{*practice.resolver, std::move(servers), practice.clock, practice.random, practice.pool};
  const auto findings = io::run(visit(patient, orders, tools, settings->control_socket));
  return report(file, findings, json, language == "ja");
}

}  // namespace sekisho::cmd
