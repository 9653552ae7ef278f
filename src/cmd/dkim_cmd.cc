// sekisho dkim verify MESSAGE | sign --domain D --selector S --key FILE MESSAGE
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
#include "road/identity/dkim/dkim.h"

namespace sekisho::cmd {

namespace {

struct DkimOptions {
  std::string verb, path, zone, resolver, domain, selector, key, algorithm, headers;
  std::int64_t now = 0;
  bool legacy = false, json = false;
};

int verify(const Cli& cli, const DkimOptions& o) {
  core::Budget budget;
  const auto message = read_message(o.path, budget);
  if (!message) return cli.usage_error(message.error());
  auto resolver = make_resolver(o.zone, o.resolver);
  if (!resolver) return cli.usage_error(resolver.error());
  dkim::Options options;
  options.now_s = o.now ? o.now : core::SystemClock().now_s();
  options.legacy = o.legacy;
  road::Findings findings;
  const auto all = io::run(dkim::verify(**message, **resolver, options, budget, findings));
  if (o.json) {
    print_json(to_json(all));
  } else {
    if (all.empty()) std::puts("no DKIM signature");
    std::puts("evidence: signature");
    for (const auto& v : all)
      std::printf("%-9s d=%s s=%s a=%s (%u bits): %s\n", std::string(road::word(v.result)).c_str(),
                  v.signing_domain.c_str(), core::printable(v.selector).c_str(), core::printable(v.algorithm).c_str(),
                  v.key_bits, v.reason.c_str());
  }
  return exit_status(all);
}

int sign(const Cli& cli, const DkimOptions& o) {
  if (o.algorithm == "rsa-sha1") return cli.usage_error("--algorithm rsa-sha1: RFC 8301 forbids to sign with it");
  const auto signer = read_signer(cli, o.domain, o.selector, o.key, o.algorithm);
  if (!signer) return 2;
  core::Budget budget;
  const auto message = read_message(o.path, budget);
  if (!message) return cli.usage_error(message.error());
  dkim::SignOptions options{signer->domain, o.selector};
  options.headers = split_names(o.headers);
  if (o.now) options.now_s = o.now;
  const auto field = dkim::sign(**message, signer->key, options);
  if (!field)
    return cli.usage_error(field.error() == dkim::SignError::kNoFrom
                               ? o.path + ": the message has no From field"
                               : "the message cannot be signed with these options");
  return write_signed(cli, *field, **message);
}

}  // namespace

int dkim(const Arguments& arguments) {
  if (wants_show(arguments)) return show_dkim(arguments);
  DkimOptions o;
  Cli cli("dkim", "verify: every DKIM signature of a message. sign: writes the whole signed message.",
          "  sekisho dkim show s1._domainkey.example.org\n"
          "  sekisho dkim verify --json mail.eml\n"
          "  sekisho dkim sign --domain example.org --selector s1 --key s1.pem mail.eml > signed.eml");
  cli.positional("VERB", o.verb, "verify, sign, or show with its own --help");
  cli.positional("MESSAGE", o.path, "a file, or - for standard input");
  cli.text("--domain", o.domain, "sign: d=");
  cli.text("--selector", o.selector, "sign: s=");
  cli.text("--key", o.key, "sign: private key, PEM");
  cli.choice("--algorithm", o.algorithm, {"rsa-sha256", "ed25519-sha256", "rsa-sha1"},
             "sign: a=; by the key when left out");
  cli.text("--headers", o.headers, "sign: h=, as from:to:subject; a safe list when left out");
  cli.number("--now", o.now, 0, INT64_C(253402300799), "wall time as epoch seconds; sign writes it as t=");
  cli.flag("--legacy", o.legacy, "verify: also what RFC 8301 forbids, and drafts before RFC 4871");
  cli.text("--zone", o.zone, "master file laid over the DNS");
  cli.text("--resolver", o.resolver, "ask this resolver, HOST:PORT");
  cli.flag("--json", o.json, "one JSON document on standard output");
  if (const auto status = cli.parse(arguments)) return *status;
  if (o.verb == "verify") return verify(cli, o);
  if (o.verb == "sign") return sign(cli, o);
  return cli.usage_error("there is no verb '" + o.verb + "': verify, sign or show");
}

}  // namespace sekisho::cmd
