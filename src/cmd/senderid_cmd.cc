// sekisho senderid evaluate --scope mfrom|pra --ip A --helo H --mail-from A [MESSAGE]
#include <boost/json.hpp>
#include <cstdio>

#include "base/core/clock.h"
#include "base/io/io.h"
#include "cmd/commands.h"
#include "cmd/files.h"
#include "cmd/present.h"
#include "cmd/resolving.h"
#include "cmd/show.h"
#include "road/identity/sender_id/sender_id.h"

namespace sekisho::cmd {
namespace {

void print(const spf::Evaluation& e, const std::string& header) {
  std::printf(
      "%s\n  domain       %s\n  identity     %s%s%s\n  reason       %s\n  evidence     address\n  look-ups     %u "
      "(void %u)\n",
      std::string(road::word(e.result)).c_str(), utf8(e.domain.view()).c_str(),
      std::string(spf::word(e.identity)).c_str(), header.empty() ? "" : " from ", header.c_str(),
      utf8(e.reason.view()).c_str(), e.lookups, e.void_lookups);
}

}  // namespace

int senderid(const Arguments& arguments) {
  if (wants_show(arguments)) return show_senderid(arguments);
  std::string verb, ip_text, zone, resolver_text, path, host = "mx.sekisho.example", scope = "pra";
  std::optional<std::string> helo, mail_from;
  std::int64_t now = 0;
  bool json = false, fallback = false;
  Cli cli("senderid",
          "evaluate: what Sender ID (RFC 4406) says of a client that uses this address; it rests on the client's IP "
          "address.\nThe responsible address (PRA, RFC 4407) is --mail-from, or found in MESSAGE.",
          "  sekisho senderid show example.org\n"
          "  sekisho senderid evaluate --scope pra --ip 192.0.2.1 --helo mail.example.org mail.eml\n"
          "  sekisho senderid evaluate --scope pra --ip 192.0.2.1 --mail-from list-owner@example.org --pra-fallback\n"
          "  sekisho senderid evaluate --scope mfrom --ip 192.0.2.1 --helo h.example --mail-from '' --json");
  cli.positional("VERB", verb, "evaluate, or show with its own --help");
  cli.positional("MESSAGE", path, "for --scope pra: the message whose PRA is evaluated, '-' is standard input", false);
  cli.choice("--scope", scope, {"mfrom", "pra"}, "mfrom: the return path; pra: the responsible address");
  cli.flag("--pra-fallback", fallback, "use v=spf1 records for the PRA too (sender_id.pra_uses_spf1)");
  cli.text("--ip", ip_text, "the client's address", true);
  cli.octets("--helo", helo, "what the client said in HELO or EHLO; any octets");
  cli.octets("--mail-from", mail_from, "the address; '' is the null return path; any octets");
  cli.text("--host", host, "our own host name (macro %{r})");
  cli.number("--now", now, 0, INT64_C(253402300799), "wall time as epoch seconds; 0 is now");
  cli.text("--zone", zone, "master file laid over the DNS");
  cli.text("--resolver", resolver_text, "ask this resolver, HOST:PORT");
  cli.flag("--json", json, "one JSON document on standard output");
  if (const auto status = cli.parse(arguments)) return *status;
  if (verb != "evaluate") return cli.usage_error("there is no verb '" + verb + "': evaluate or show");
  if (!path.empty() && scope == "mfrom") return cli.usage_error("--scope mfrom needs no message");
  const auto ip = core::IpAddress::parse(ip_text);
  if (!ip) return cli.usage_error("--ip: '" + ip_text + "' is not an IPv4 or IPv6 address");
  auto resolver = make_resolver(zone, resolver_text);
  if (!resolver) return cli.usage_error(resolver.error());

  core::SystemClock clock;
  core::Budget budget;
  budget.dns_queries = 200;
  sender_id::Query query{*ip, helo ? std::string_view(*helo) : "", mail_from ? std::string_view(*mail_from) : "", host,
                         now ? now : clock.now_s()};
  sender_id::Settings settings;
  settings.pra_uses_spf1 = fallback;
  settings.limits.clock = &clock;
  std::string header;
  spf::Evaluation e;
  if (!path.empty()) {
    const auto message = read_message(path, budget);
    if (!message) return cli.usage_error(message.error());
    auto both = io::run(sender_id::evaluate(query, **message, **resolver, budget, settings));
    e = std::move(both.pra);
    header = both.purported.header;
    if (json) return print_json(to_json(both).at("pra")), exit_status(e.result);
  } else if (scope == "mfrom") {
    e = io::run(sender_id::evaluate_mfrom(query, **resolver, budget, settings));
  } else {
    e = io::run(sender_id::evaluate_pra(query, query.mail_from, **resolver, budget, settings));
  }
  if (json)
    print_json(to_json(e));
  else
    print(e, header);
  return exit_status(e.result);
}

}  // namespace sekisho::cmd
