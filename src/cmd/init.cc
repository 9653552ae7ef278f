// sekisho init: three steps to join - copy known records, verify at the MTA, then sign - with the lines for each file.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>

#include "base/core/text.h"
#include "base/io/io.h"
#include "cmd/commands.h"
#include "cmd/files.h"
#include "cmd/present.h"
#include "cmd/resolving.h"
#include "service/records/records.h"

namespace sekisho::cmd {
namespace {

struct Plan {
  std::string mta, main_cf = "/etc/postfix/main.cf", host, listen = "0.0.0.0:25", hop = "127.0.0.1:10026",
                   state_dir = "/var/lib/sekisho", zone, resolver, write, language = "en";
  std::optional<mail::Domain> domain;
  std::string domain_text;
  bool json = false;
};

// What goes into one place. `name`: of the file when written.
struct Piece {
  std::string name, where;
  std::vector<std::string> lines;
};
struct Step {
  std::string_view code;
  road::Text title;
  std::vector<Piece> pieces;
  std::vector<road::Text> seen;  // what is there already, or stands in the way
};

// main.cf: "name = value", continued by lines that begin with a blank; '#' lines are comments.
std::vector<std::pair<std::string, std::string>> read_main_cf(const std::string& octets) {
  std::vector<std::pair<std::string, std::string>> out;
  for (std::size_t at = 0; at < octets.size();) {
    const auto end = std::min(octets.find('\n', at), octets.size());
    const std::string_view line = std::string_view(octets).substr(at, end - at);
    at = end + 1;
    if (line.empty() || core::trim(line).empty() || core::trim(line).front() == '#') continue;
    if (core::is_wsp(line.front())) {
      if (!out.empty()) out.back().second.append(" ").append(core::trim(line));
      continue;
    }
    const auto equals = line.find('=');
    if (equals == line.npos) continue;
    out.emplace_back(core::trim(line.substr(0, equals)), core::trim(line.substr(equals + 1)));
  }
  return out;
}

std::string setting(const std::vector<std::pair<std::string, std::string>>& cf, std::string_view name) {
  std::string out;
  for (const auto& [key, value] : cf)
    if (key == name) out = value;  // the last one counts
  return std::string(core::trim(out));
}

// RFC 1123 section 2.1; what begins with a hyphen would be an option in a line to type.
bool is_host_name(const std::string& name) {
  for (std::size_t at = 0; at <= name.size();) {
    const auto end = std::min(name.find('.', at), name.size());
    if (name[at] == '-' || name[end - 1] == '-') return false;
    at = end + 1;
  }
  return true;
}

std::string own_host() {
  char name[256] = {};
  ::gethostname(name, sizeof name - 1);
  return name;
}

// Whom MTA and machine say they are; what cannot be found is asked for.
std::string discover(Plan& plan, Step& verify) {
  std::vector<std::pair<std::string, std::string>> cf;
  struct stat facts {};
  const bool postfix = ::stat(plan.main_cf.c_str(), &facts) == 0;
  const bool sendmail = ::stat("/etc/mail/sendmail.mc", &facts) == 0;
  if (plan.mta.empty()) plan.mta = !postfix && sendmail ? "sendmail" : "postfix";
  if (plan.mta == "postfix" && postfix) {
    const auto octets = read_octets(plan.main_cf);
    if (!octets) return octets.error();
    cf = read_main_cf(*octets);
    verify.seen.push_back({plan.main_cf + " was read", plan.main_cf + " を読みました"});
  } else if (plan.mta == "postfix") {
    verify.seen.push_back({plan.main_cf + " is not there: is Postfix installed? (--main-cf)",
                           plan.main_cf + " がありません。Postfix は入っていますか (--main-cf)"});
  }
  if (plan.host.empty()) plan.host = setting(cf, "myhostname");
  if (plan.host.empty()) plan.host = own_host();
  if (plan.domain_text.empty()) plan.domain_text = setting(cf, "mydomain");
  const auto host = mail::Domain::parse(plan.host);
  if (!host || !is_host_name(host->text())) return "--host: '" + core::printable(plan.host) + "' is no host name";
  plan.host = host->text();
  if (plan.domain_text.empty() && host->labels() > 2) plan.domain_text = host->parent()->text();
  if (plan.domain_text.empty()) return "whose mail is it? give --domain";
  plan.domain = mail::Domain::parse(plan.domain_text);
  if (!plan.domain || !is_host_name(plan.domain->text()))
    return "--domain: '" + core::printable(plan.domain_text) + "' is no domain name";
  if (setting(cf, "smtpd_authorized_xforward_hosts").find("127.0.0.") != std::string::npos)
    verify.seen.push_back(
        {"smtpd_authorized_xforward_hosts is set already", "smtpd_authorized_xforward_hosts は設定済みです"});
  if (const auto networks = setting(cf, "mynetworks"); networks.find("0.0.0.0/0") != std::string::npos)
    verify.seen.push_back({"mynetworks has 0.0.0.0/0: an open relay; correct it first",
                           "mynetworks に 0.0.0.0/0 があり、誰でも中継できます。先に直してください"});
  return "";
}

std::string port_of(const std::string& endpoint) { return endpoint.substr(endpoint.rfind(':') + 1); }

void plan_postfix(const Plan& plan, Step& step) {
  step.pieces.push_back({"master.cf.add",
                         "/etc/postfix/master.cf",
                         {"# put '#' before the line 'smtp inet n - y - - smtpd': port 25 is Sekisho's now",
                          plan.hop + " inet n - y - - smtpd", "  -o smtpd_relay_restrictions=reject_unauth_destination",
                          "  -o mynetworks=127.255.255.255/32", "  -o smtpd_authorized_xforward_hosts=127.0.0.0/8",
                          "  -o smtpd_client_connection_count_limit=0", "  -o smtpd_client_connection_rate_limit=0"}});
  step.pieces.push_back(
      {"main.cf.add",
       plan.main_cf,
       {"# local parts nobody has must be refused at once", "smtpd_reject_unlisted_recipient = yes",
        "# only CRLF.CRLF ends a message", "smtpd_discard_ehlo_keywords = chunking, silent-discard"}});
}

void plan_sendmail(const Plan& plan, Step& step) {
  const auto colon = plan.hop.rfind(':');
  step.pieces.push_back(
      {"sendmail.mc.add",
       "/etc/mail/sendmail.mc (then: make -C /etc/mail, and restart sendmail)",
       {"dnl in the place of DAEMON_OPTIONS for port 25: that is Sekisho's now",
        "DAEMON_OPTIONS(`Port=" + port_of(plan.hop) + ", Addr=" + plan.hop.substr(0, colon) + ", Name=MTA')dnl",
        "dnl no FEATURE(`promiscuous_relay'), and no RELAY for 127.0.0.1 in /etc/mail/access",
        "define(`confBAD_RCPT_THROTTLE', `0')dnl"}});
}

std::vector<std::string> server_config(const Plan& plan) {
  const std::string domain = plan.domain->text();
  return {
      "[server]",
      "host = \"" + plan.host + "\"",
      "state_dir = \"" + plan.state_dir + "\"",
      "mode = \"observe\"            # decides and records, refuses nothing; take it out when the ledger looks right",
      "",
      "[mx]",
      "listen = [\"" + plan.listen + "\"]",
      "",
      "[[next_hop]]",
      "name = \"mta\"",
      "kind = \"smtp\"",
      "address = \"" + plan.hop + "\"",
      std::string("xforward = ") + (plan.mta == "postfix" ? "true" : "false"),
      "",
      "[[local_domain]]",
      "name = \"" + domain + "\"",
      "next_hop = \"mta\"",
      "check = \"probe\"",
      "",
      "# step 3, once `sekisho dkim rotate` has made a key:",
      "# [[signing_key]]",
      "# domain = \"" + domain + "\"",
      "# key_folder = \"" + plan.state_dir + "/keys/" + domain + "\""};
}

// Step 1: records as most domains have them; those that are there stay.
void plan_records(const Plan& plan, const std::vector<records::Sheet>& sheets, Step& step) {
  const std::string domain = plan.domain->text();
  records::Wish spf, dmarc, report;
  spf.mx = true;
  dmarc.type = records::Type::kDmarc;
  report.type = records::Type::kTlsRpt;
  dmarc.rua = report.rua = {"postmaster@" + domain};
  Piece piece{"zone.add", domain + " (zone file or DNS provider)", {}};
  for (const auto& sheet : sheets) {
    const auto* wish = sheet.type == records::Type::kSpf     ? &spf
                       : sheet.type == records::Type::kDmarc ? &dmarc
                                                             : &report;
    if (sheet.status == records::Sheet::Status::kFound) {
      const std::string what = sheet.name + ": " + core::printable(sheet.record, 120);
      step.seen.push_back({"already there: " + what, "公開済み: " + what});
      continue;
    }
    if (sheet.status == records::Sheet::Status::kTemporary)
      step.seen.push_back({"the DNS gave no answer for " + sheet.name, sheet.name + " について DNS が応答しません"});
    const auto place = records::place_of(sheet.type, *plan.domain);
    const auto text = records::build_text(*wish);
    if (place && text) piece.lines.push_back(records::zone_line(*place, *text));
  }
  if (!piece.lines.empty()) step.pieces.push_back(std::move(piece));
}

core::Task<std::vector<records::Sheet>> look(const Plan& plan, dns::Resolver& resolver) {
  std::vector<records::Sheet> out;
  for (const auto type : {records::Type::kSpf, records::Type::kDmarc, records::Type::kTlsRpt}) {
    core::Budget budget;
    budget.dns_queries = 300;
    records::Orders orders{*plan.domain, {type}, {}, {}, nullptr};
    auto examining = records::examine(orders, resolver, budget);
    auto sheets = co_await examining;
    for (auto& sheet : sheets) out.push_back(std::move(sheet));
  }
  co_return out;
}

void plan_signing(const Plan& plan, Step& step) {
  const std::string domain = plan.domain->text(), folder = plan.state_dir + "/keys/" + domain;
  step.pieces.push_back({"sign.txt",
                         "(shell, as the user that serves)",
                         {"# uncomment [[signing_key]] in sekisho.toml, then:",
                          "sekisho dkim rotate --domain " + domain + " -c /etc/sekisho/sekisho.toml",
                          "# publish the record it prints, and run it again: it signs once the DNS shows the key",
                          "sekisho doctor -c /etc/sekisho/sekisho.toml --only signing"}});
}

bool write_pieces(const Plan& plan, const std::vector<Step>& steps, std::string& fault) {
  if (::mkdir(plan.write.c_str(), 0755) != 0) {
    fault = "--write: " + plan.write + ": " + std::strerror(errno) + " (a folder that is not there yet is wanted)";
    return false;
  }
  for (const auto& step : steps)
    for (const auto& piece : step.pieces) {
      std::ofstream out(plan.write + "/" + piece.name, std::ios::binary);
      for (const auto& line : piece.lines) out << line << "\n";
      out.close();
      if (!out) return fault = "--write: " + plan.write + "/" + piece.name + " cannot be written", false;
    }
  return true;
}

void print_steps(const Plan& plan, const std::vector<Step>& steps) {
  const bool japanese = plan.language == "ja";
  int number = 0;
  for (const auto& step : steps) {
    std::printf("%s%d. %s\n", number ? "\n" : "", number + 1, (japanese ? step.title.ja : step.title.en).c_str());
    ++number;
    for (const auto& seen : step.seen) std::printf("   - %s\n", utf8(japanese ? seen.ja : seen.en).c_str());
    for (const auto& piece : step.pieces) {
      std::printf("   %s:\n", piece.where.c_str());
      for (const auto& line : piece.lines) std::printf("     %s\n", line.c_str());
    }
  }
}

boost::json::object steps_json(const Plan& plan, const std::vector<Step>& steps) {
  boost::json::array all;
  for (const auto& step : steps) {
    boost::json::array seen, pieces;
    for (const auto& s : step.seen) seen.push_back({{"en", utf8(s.en)}, {"ja", utf8(s.ja)}});
    for (const auto& piece : step.pieces) {
      boost::json::array lines;
      for (const auto& line : piece.lines) lines.push_back(boost::json::value(utf8(line)));
      pieces.push_back({{"name", piece.name}, {"where", piece.where}, {"lines", std::move(lines)}});
    }
    all.push_back({{"step", step.code},
                   {"title", {{"en", step.title.en}, {"ja", step.title.ja}}},
                   {"seen", std::move(seen)},
                   {"files", std::move(pieces)}});
  }
  return {{"mta", plan.mta},
          {"host", plan.host},
          {"domain", plan.domain->text()},
          {"written", plan.write.empty() ? boost::json::value(nullptr) : boost::json::value(plan.write)},
          {"steps", std::move(all)}};
}

}  // namespace

int init(const Arguments& arguments) {
  Plan plan;
  Cli cli(
      "init",
      "Three steps to join: publish known records, verify mail before the MTA, then sign. Prints what to put where; "
      "reads, and changes nothing. It can be run again: what is there already is said.",
      "  sekisho init --domain example.org\n  sekisho init --mta sendmail --domain example.org --lang ja\n  sekisho "
      "init --domain example.org --write /root/sekisho-setup");
  cli.choice("--mta", plan.mta, {"postfix", "sendmail"},
             "which MTA stands behind; the one that is installed when left out");
  cli.text("--domain", plan.domain_text, "whose mail it is; Postfix's mydomain when left out");
  cli.text("--host", plan.host, "our host name; Postfix's myhostname, or the machine's, when left out");
  cli.text("--main-cf", plan.main_cf, "Postfix's main.cf");
  cli.text("--listen", plan.listen, "where Sekisho takes mail");
  cli.text("--next-hop", plan.hop, "where the MTA listens from now on");
  cli.text("--state-dir", plan.state_dir, "where ledger and keys lie");
  cli.text("--write", plan.write, "write the pieces into this new folder");
  cli.text("--zone", plan.zone, "master file laid over the DNS");
  cli.text("--resolver", plan.resolver, "ask this resolver, HOST:PORT");
  cli.choice("--lang", plan.language, {"en", "ja"}, "language of the text");
  cli.flag("--json", plan.json, "one JSON document on standard output");
  if (const auto status = cli.parse(arguments)) return *status;
  for (const auto* endpoint : {&plan.listen, &plan.hop})
    if (!io::Endpoint::parse(*endpoint))
      return cli.usage_error("'" + core::printable(*endpoint) + "' is no address with a port, as in 127.0.0.1:10026");
  // It stands in quotes in the config.
  if (plan.state_dir.empty() || plan.state_dir.front() != '/' ||
      std::any_of(plan.state_dir.begin(), plan.state_dir.end(),
                  [](char c) { return core::is_control(c) || c == '"' || c == '\\'; }))
    return cli.usage_error("--state-dir: a full path without quotes and controls, please");
  std::vector<Step> steps(3);
  steps[0].code = "publish", steps[1].code = "verify", steps[2].code = "sign";
  steps[0].title = {"Publish: records as most domains have them", "公開: 多くのドメインと同じレコード"};
  steps[1].title = {"Verify: Sekisho takes port 25, the MTA stands behind it",
                    "検証: 25 番を Sekisho が受け、MTA は後ろに置く"};
  steps[2].title = {"Sign: your own mail", "署名: 自分のメールに署名する"};
  if (const auto fault = discover(plan, steps[1]); !fault.empty()) return cli.usage_error(fault);
  auto resolver = make_resolver(plan.zone, plan.resolver);
  if (!resolver) return cli.usage_error(resolver.error());
  plan_records(plan, io::run(look(plan, **resolver)), steps[0]);
  if (plan.mta == "postfix")
    plan_postfix(plan, steps[1]);
  else
    plan_sendmail(plan, steps[1]);
  steps[1].pieces.push_back(
      {"sekisho.toml", "/etc/sekisho/sekisho.toml (then: sekisho config check, sekisho doctor)", server_config(plan)});
  plan_signing(plan, steps[2]);
  std::string fault;
  if (!plan.write.empty() && !write_pieces(plan, steps, fault)) return cli.usage_error(fault);
  if (plan.json)
    print_json(steps_json(plan, steps));
  else
    print_steps(plan, steps);
  return 0;
}

}  // namespace sekisho::cmd
