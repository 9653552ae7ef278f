// sekisho check --ip A --helo H --mail-from A MESSAGE
#include <boost/json.hpp>
#include <cstdio>
#include <ctime>

#include "base/core/text.h"
#include "cmd/commands.h"
#include "cmd/files.h"
#include "cmd/judge.h"
#include "cmd/present.h"
#include "cmd/settings.h"

namespace sekisho::cmd {

namespace {

void print_text(const boost::json::object& o, const std::vector<road::Text>& methods) {
  const auto text = [](const boost::json::value& v) -> std::string {
    if (v.is_null()) return "-";
    if (v.is_string()) return v.as_string().empty() ? "-" : std::string(v.as_string());
    if (!v.is_double()) return boost::json::serialize(v);
    char buffer[32];
    std::snprintf(buffer, sizeof buffer, "%.2f", v.as_double());
    return buffer;
  };
  const auto& spf = o.at("spf").as_object().at("mfrom").as_object();
  std::printf("verdict  %s\n", text(o.at("verdict").at("action")).c_str());
  if (o.at("verdict").at("reply").is_string()) std::printf("reply    %s\n", text(o.at("verdict").at("reply")).c_str());
  for (const auto& r : o.at("verdict").at("reasons").as_array())
    std::printf("  %-10s %-28s %s\n%42s%s\n", text(r.at("stage")).c_str(), text(r.at("code")).c_str(),
                text(r.at("text").at("en")).c_str(), "", text(r.at("text").at("ja")).c_str());
  std::printf("spf      %-9s %s: %s; evidence: address\n", text(spf.at("result")).c_str(),
              text(spf.at("domain")).c_str(), text(spf.at("reason")).c_str());
  for (const auto& d : o.at("dkim").as_array())
    std::printf("dkim     %-9s %s: %s; evidence: signature\n", text(d.at("result")).c_str(),
                text(d.at("signing_domain")).c_str(), text(d.at("reason")).c_str());
  if (o.at("dkim").as_array().empty()) std::puts("dkim     none");
  std::printf("dmarc    %-9s %s: %s; evidence: %s\n", text(o.at("dmarc").at("result")).c_str(),
              text(o.at("dmarc").at("author_domain")).c_str(), text(o.at("dmarc").at("reason")).c_str(),
              text(o.at("dmarc").at("evidence")).c_str());
  for (const auto& line : methods) std::printf("  %s\n  %s\n", line.en.c_str(), line.ja.c_str());
  if (const auto& guard = o.at("protected").as_object(); guard.at("result") != "none")
    std::printf("protected %-8s %s: %s %s\n", text(guard.at("result")).c_str(), text(guard.at("domain")).c_str(),
                text(guard.at("rests_on")).c_str(), text(guard.at("why")).c_str());
  if (o.at("smime").is_object() && o.at("smime").at("result") != "none")
    std::printf("smime    %-9s %s: %s\n", text(o.at("smime").at("result")).c_str(),
                text(o.at("smime").at("address")).c_str(), text(o.at("smime").at("reason")).c_str());
  for (const auto& f : o.at("findings").as_array())
    std::printf("finding  %-9s %s: %s\n", text(f.at("room")).c_str(), text(f.at("code")).c_str(),
                text(f.at("text").at("en")).c_str());
  for (const auto& h : o.at("headers").at("removed").as_array())
    std::printf("removed  %s (%s)\n", text(h.at("name")).c_str(), text(h.at("reason")).c_str());
  std::printf("dns      %s queries, %s ms CPU\n", text(o.at("dns").at("queries")).c_str(),
              text(o.at("cpu_ms")).c_str());
}

}  // namespace

int check(const Arguments& arguments) {
  std::string ip_text = "127.0.0.1", resolver_text, zone, authserv_id = "mx.sekisho.example", file, path;
  std::optional<std::string> helo, mail_from;
  std::vector<std::string> rcpt;
  std::int64_t now = 0;
  bool json = false;
  Cli cli("check",
          "Judges one message as the gate would: identity, findings, verdict, and the header fields that would be "
          "written and removed.",
          "  sekisho check --ip 192.0.2.1 --helo mail.example.org --mail-from user@example.org mail.eml\n"
          "  sekisho check --zone test.zone --now 1768435200 --json - < mail.eml");
  cli.positional("MESSAGE", path, "a file, or - for standard input");
  cli.text("--ip", ip_text, "the client's address");
  cli.octets("--helo", helo, "what the client said in HELO or EHLO; any octets");
  cli.octets("--mail-from", mail_from, "the return path; '' is the null return path; any octets");
  cli.octets("--rcpt", rcpt, "a recipient; may be given several times");
  cli.number("--now", now, 0, INT64_C(253402300799), "wall time as epoch seconds; 0 is now");
  cli.text("--resolver", resolver_text, "ask this resolver, HOST:PORT");
  cli.text("--zone", zone, "master file laid over the DNS");
  cli.text("--authserv-id", authserv_id, "the name in Authentication-Results");
  cli.text("-c,--config", file, "take policy and settings from this config file");
  cli.flag("--json", json, "one JSON document on standard output");
  if (const auto status = cli.parse(arguments)) return *status;
  const auto ip = core::IpAddress::parse(ip_text);
  if (!ip) return cli.usage_error("--ip: '" + ip_text + "' is not an IPv4 or IPv6 address");
  std::shared_ptr<inbound::Config> road;
  if (!file.empty()) {
    auto settings = load_settings(file);
    if (!settings) return cli.usage_error(settings.error().front().text());
    road = settings->road;
    if (zone.empty()) zone = settings->zone_file;
  } else {
    if (!mail::Domain::parse(authserv_id))
      return cli.usage_error("--authserv-id: '" + authserv_id + "' is not a domain name");
    road = default_road(authserv_id);
  }
  auto resolver = make_resolver(zone, resolver_text);
  if (!resolver) return cli.usage_error(resolver.error());
  auto octets = read_octets(path);
  if (!octets) return cli.usage_error(octets.error());
  Judge judge(road, std::move(*resolver));
  Judge::Question question{*ip,  helo ? *helo : "",  mail_from ? *mail_from : "",
                           rcpt, std::move(*octets), now ? now : core::SystemClock().now_s()};
  const Judged judged = judge.run(std::move(question));
  boost::json::object out = to_json(judged);
  std::vector<road::Text> methods;
  if (judged.message && road->identity.psl) {
    const BothWays both = judge.both_ways(judged);
    out["dmarc"].as_object()["methods"] = to_json(both);
    if (both.differ()) methods = explain(both);
  }
  if (json)
    print_json(out);
  else
    print_text(out, methods);
  return judged.verdict.action == verdict::Action::kReject  ? 1
         : judged.verdict.action == verdict::Action::kDefer ? 3
                                                            : 0;
}

}  // namespace sekisho::cmd
