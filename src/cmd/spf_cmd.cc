// sekisho spf evaluate --ip A --helo H --mail-from A
#include <boost/json.hpp>
#include <cstdio>

#include "base/core/clock.h"
#include "base/io/io.h"
#include "cmd/commands.h"
#include "cmd/present.h"
#include "cmd/resolving.h"
#include "cmd/show.h"
#include "road/identity/spf/spf.h"

namespace sekisho::cmd {

int spf(const Arguments& arguments) {
  if (wants_show(arguments)) return show_spf(arguments);
  std::string verb, ip_text, zone, resolver_text, host = "mx.sekisho.example", identity = "mfrom";
  std::optional<std::string> helo, mail_from;
  std::int64_t now = 0;
  bool json = false;
  Cli cli("spf", "evaluate: what SPF (RFC 7208) says of a client that uses this domain.",
          "  sekisho spf show example.org\n"
          "  sekisho spf evaluate --ip 192.0.2.1 --helo mail.example.org --mail-from user@example.org\n"
          "  sekisho spf evaluate --ip 192.0.2.1 --helo mail.example.org --mail-from '' --zone test.zone --json");
  cli.positional("VERB", verb, "evaluate, or show with its own --help");
  cli.text("--ip", ip_text, "the client's address", true);
  cli.octets("--helo", helo, "what the client said in HELO or EHLO; any octets");
  cli.octets("--mail-from", mail_from, "the return path; '' is the null return path; any octets");
  cli.choice("--identity", identity, {"mfrom", "helo"}, "which identity is checked");
  cli.text("--host", host, "our own host name (macro %{r})");
  cli.number("--now", now, 0, INT64_C(253402300799), "wall time as epoch seconds; 0 is now");
  cli.text("--zone", zone, "master file laid over the DNS");
  cli.text("--resolver", resolver_text, "ask this resolver, HOST:PORT");
  cli.flag("--json", json, "one JSON document on standard output");
  if (const auto status = cli.parse(arguments)) return *status;
  if (verb != "evaluate") return cli.usage_error("there is no verb '" + verb + "': evaluate or show");
  const auto ip = core::IpAddress::parse(ip_text);
  if (!ip) return cli.usage_error("--ip: '" + ip_text + "' is not an IPv4 or IPv6 address");
  auto resolver = make_resolver(zone, resolver_text);
  if (!resolver) return cli.usage_error(resolver.error());

  core::SystemClock clock;
  spf::Query query;
  query.client_ip = *ip;
  query.helo = helo ? std::string_view(*helo) : std::string_view{};
  query.mail_from = mail_from ? std::string_view(*mail_from) : std::string_view{};
  query.identity = identity == "helo" ? spf::Identity::kHelo : spf::Identity::kMfrom;
  query.receiver = host;
  query.now_s = now ? now : clock.now_s();
  core::Budget budget;
  budget.dns_queries = 200;
  spf::Settings settings;
  settings.clock = &clock;
  const auto e = io::run(spf::evaluate(query, **resolver, budget, settings));
  if (json)
    print_json(to_json(e));
  else
    std::printf(
        "%s\n  domain       %s\n  identity     %s\n  reason       %s\n  evidence     address\n  explanation  %s\n  "
        "look-ups     %u (void %u)\n",
        std::string(road::word(e.result)).c_str(), utf8(e.domain.view()).c_str(),
        std::string(spf::word(e.identity)).c_str(), utf8(e.reason.view()).c_str(),
        e.explanation.empty() ? "-" : utf8(e.explanation).c_str(), e.lookups, e.void_lookups);
  return exit_status(e.result);
}

}  // namespace sekisho::cmd
