// sekisho arc verify MESSAGE | seal --domain D --selector S --key FILE --authserv-id N MESSAGE
#include <boost/json.hpp>
#include <cstdio>

#include "base/core/clock.h"
#include "base/core/text.h"
#include "base/io/io.h"
#include "cmd/commands.h"
#include "cmd/files.h"
#include "cmd/present.h"
#include "cmd/resolving.h"
#include "cmd/show.h"
#include "cmd/signing.h"
#include "road/identity/arc/arc.h"

namespace sekisho::cmd {
namespace {

struct ArcOptions {
  std::string verb, path, zone, resolver, domain, selector, key, algorithm, headers, authserv_id;
  std::int64_t now = 0;
  bool json = false, legacy = false;
};

int show(const arc::Evaluation& chain, bool json) {
  if (json) {
    print_json(to_json(chain));
  } else {
    std::printf("%s: %s\n", std::string(road::word(chain.result)).c_str(), chain.reason.c_str());
    std::puts("  evidence: signature");
    for (const auto& set : chain.sets)
      std::printf("  i=%-2u sealed by %-30s %s\n", set.instance, set.sealer.c_str(),
                  utf8(core::printable(core::trim_fws(set.results), 200)).c_str());
  }
  return exit_status(chain.result);
}

std::string_view why(arc::SealError error) {
  switch (error) {
    case arc::SealError::kOptions:
      return "a field name, the selector or --authserv-id cannot stand in a seal";
    case arc::SealError::kKey:
      return "the key cannot make this signature";
    case arc::SealError::kTooMany:
      return "the message has 50 ARC sets, no more are allowed (RFC 8617 section 4.2.1)";
    case arc::SealError::kClosed:
      return "the newest seal says cv=fail: nothing may be added (RFC 8617 section 5.1)";
    case arc::SealError::kTemporary:
      return "the chain cannot be checked now, the DNS does not answer";
    case arc::SealError::kTooComplex:
      break;
  }
  return "the message is too complex";
}

int seal(const Cli& cli, const ArcOptions& o, const mail::Message& message, const arc::Evaluation& chain) {
  if (o.authserv_id.empty()) return cli.usage_error("seal needs --authserv-id");
  const auto signer = read_signer(cli, o.domain, o.selector, o.key, o.algorithm);
  if (!signer) return 2;
  core::Budget budget;
  const auto results = arc::results_of(message, o.authserv_id, budget);
  arc::SealOptions options{signer->domain, o.selector, split_names(o.headers), {}};
  if (o.now) options.now_s = o.now;
  const auto fields = arc::seal(message, chain, results, signer->key, options);
  if (fields) return write_signed(cli, *fields, message);
  std::fprintf(stderr, "sekisho arc: %s\n", std::string(why(fields.error())).c_str());
  return fields.error() == arc::SealError::kTemporary ? 3 : fields.error() == arc::SealError::kOptions ? 2 : 1;
}

}  // namespace

int arc(const Arguments& arguments) {
  if (wants_show(arguments)) return show_arc(arguments);
  ArcOptions o;
  Cli cli("arc",
          "verify: the ARC chain of a message (RFC 8617). seal: adds the next set and writes the whole message; its\n"
          "results are those of the message's Authentication-Results with --authserv-id.",
          "  sekisho arc show --mail mail.eml\n"
          "  sekisho arc verify --json mail.eml\n"
          "  sekisho arc seal --domain lists.example.org --selector s1 --key s1.pem --authserv-id mx.example.org "
          "mail.eml > sealed.eml");
  cli.positional("VERB", o.verb, "verify, seal, or show with its own --help");
  cli.positional("MESSAGE", o.path, "a file, or - for standard input");
  cli.text("--domain", o.domain, "seal: d=");
  cli.text("--selector", o.selector, "seal: s=");
  cli.text("--key", o.key, "seal: private key, PEM");
  cli.text("--authserv-id", o.authserv_id, "seal: whose Authentication-Results are sealed");
  cli.choice("--algorithm", o.algorithm, {"rsa-sha256", "ed25519-sha256"}, "seal: a=; by the key when left out");
  cli.text("--headers", o.headers, "seal: h=, as from:to:subject; a safe list when left out");
  cli.number("--now", o.now, 0, INT64_C(253402300799), "wall time as epoch seconds; seal writes it as t=");
  cli.flag("--legacy", o.legacy, "changes nothing: RFC 8617 knows only rsa-sha256 and ed25519-sha256");
  cli.text("--zone", o.zone, "master file laid over the DNS");
  cli.text("--resolver", o.resolver, "ask this resolver, HOST:PORT");
  cli.flag("--json", o.json, "one JSON document on standard output");
  if (const auto status = cli.parse(arguments)) return *status;
  if (o.verb != "verify" && o.verb != "seal")
    return cli.usage_error("there is no verb '" + o.verb + "': verify, seal or show");
  core::Budget budget;
  const auto message = read_message(o.path, budget);
  if (!message) return cli.usage_error(message.error());
  auto resolver = make_resolver(o.zone, o.resolver);
  if (!resolver) return cli.usage_error(resolver.error());
  arc::Options options;
  options.now_s = o.now ? o.now : core::SystemClock().now_s();
  const auto chain = io::run(arc::verify(**message, **resolver, options, budget));
  return o.verb == "verify" ? show(chain, o.json) : seal(cli, o, **message, chain);
}

}  // namespace sekisho::cmd
