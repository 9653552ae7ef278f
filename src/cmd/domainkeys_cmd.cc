// sekisho domainkeys verify MESSAGE | sign -c FILE MESSAGE | sign --domain D --selector S --key FILE MESSAGE
#include <boost/json.hpp>
#include <cstdio>

#include "base/io/io.h"
#include "cmd/commands.h"
#include "cmd/files.h"
#include "cmd/present.h"
#include "cmd/resolving.h"
#include "cmd/show.h"
#include "cmd/signing.h"
#include "road/identity/domainkeys/domainkeys.h"

namespace sekisho::cmd {
namespace {

struct DomainKeysOptions {
  std::string verb, path, config, zone, resolver, domain, selector, key, algorithm, headers, canon = "nofws";
  std::int64_t now = 0;
  bool legacy = false, json = false;
};

int verify(const Cli& cli, const DomainKeysOptions& o, const mail::Message& message) {
  auto resolver = make_resolver(o.zone, o.resolver);
  if (!resolver) return cli.usage_error(resolver.error());
  domainkeys::Options options;
  options.legacy = o.legacy;
  options.ask_policy = true;
  core::Budget budget;
  const auto e = io::run(domainkeys::verify(message, **resolver, options, budget));
  if (o.json) {
    print_json(to_json(e));
  } else {
    std::printf("%s: %s\n", std::string(road::word(e.result)).c_str(), utf8(e.reason).c_str());
    for (const auto& v : e.signatures)
      std::printf("  %-9s d=%s s=%s (%u bits): %s\n", std::string(road::word(v.result)).c_str(),
                  v.signing_domain.c_str(), utf8(v.selector).c_str(), v.key_bits, utf8(v.reason).c_str());
    if (e.policy)
      std::printf("  policy of %s: %s%s\n", e.sending_address->domain().text().c_str(),
                  e.policy->signs_all ? "all mail is signed (o=-)" : "some mail is signed (o=~)",
                  e.policy->testing ? ", testing (t=y)" : "");
    std::puts("  evidence: signature; rsa-sha1 proves nothing today and is only reported");
  }
  return exit_status(e.result);
}

int sign_failed(const Cli& cli, const DomainKeysOptions& o, const std::string& key, domainkeys::SignError error) {
  switch (error) {
    case domainkeys::SignError::kNoFrom:
      return cli.usage_error(o.path + ": no address in Sender or From");
    case domainkeys::SignError::kKey:
      return cli.usage_error(key + ": DomainKeys needs an RSA key");
    case domainkeys::SignError::kOptions:
      break;
  }
  return cli.usage_error(
      "--domain must be the domain of Sender (else of From) or one above it, and that field be there once");
}

domainkeys::SignOptions options_of(const DomainKeysOptions& o, const mail::Domain& domain,
                                   const std::string& selector) {
  domainkeys::SignOptions options{domain, selector};
  options.canon = o.canon == "simple" ? domainkeys::Canon::kSimple : domainkeys::Canon::kNofws;
  options.headers = split_names(o.headers);
  return options;
}

// The keys of the config for the sender of the mail; each signs the message as it came.
int sign_by_config(const Cli& cli, const DomainKeysOptions& o, const mail::Message& message) {
  if (!o.domain.empty() || !o.selector.empty() || !o.key.empty())
    return cli.usage_error("the config names domain, selector and key: either -c, or --domain, --selector and --key");
  int status = 0;
  const auto chosen = choose_keys(cli, o.config, message, SignMethod::kDomainKeys, status);
  if (!chosen) return status;
  std::string fields;
  for (const auto* key : chosen->keys) {
    const auto field = domainkeys::sign(message, key->key, options_of(o, key->domain, key->selector));
    if (!field) return sign_failed(cli, o, key->file, field.error());
    fields += *field;
  }
  return write_signed(cli, fields, message);
}

int sign(const Cli& cli, const DomainKeysOptions& o, const mail::Message& message) {
  if (!o.config.empty()) return sign_by_config(cli, o, message);
  const auto signer = read_signer(cli, o.domain, o.selector, o.key, "");
  if (!signer) return 2;
  const auto field = domainkeys::sign(message, signer->key, options_of(o, signer->domain, o.selector));
  return field ? write_signed(cli, *field, message) : sign_failed(cli, o, o.key, field.error());
}

}  // namespace

int domainkeys(const Arguments& arguments) {
  if (wants_show(arguments)) return show_domainkeys(arguments);
  DomainKeysOptions o;
  Cli cli("domainkeys",
          "verify: the DomainKeys signatures (RFC 4870) of a message and the policy of its sending domain.\n"
          "sign: writes the whole signed message, with -c by the [[signing_key]] rows of its sender. DomainKeys is "
          "historic: use dkim to be believed.",
          "  sekisho domainkeys show example.org\n"
          "  sekisho domainkeys verify --json mail.eml\n"
          "  sekisho domainkeys sign --domain example.org --selector s1 --key s1.pem mail.eml > signed.eml");
  cli.positional("VERB", o.verb, "verify, sign, or show with its own --help");
  cli.positional("MESSAGE", o.path, "a file, or - for standard input");
  cli.text("-c,--config", o.config, "sign: the config file with [[signing_key]]");
  cli.text("--domain", o.domain, "sign: d=");
  cli.text("--selector", o.selector, "sign: s=");
  cli.text("--key", o.key, "sign: RSA private key, PEM");
  cli.choice("--canonicalization", o.canon, {"simple", "nofws"}, "sign: c=");
  cli.choice("--algorithm", o.algorithm, {"rsa-sha1"}, "sign: a=; there is only this one");
  cli.text("--headers", o.headers, "sign: h=, as from:to:subject; all fields when left out");
  cli.number("--now", o.now, 0, INT64_C(253402300799), "changes nothing: DomainKeys has no times");
  cli.flag("--legacy", o.legacy, "verify: also keys from 512 bits");
  cli.text("--zone", o.zone, "master file laid over the DNS");
  cli.text("--resolver", o.resolver, "ask this resolver, HOST:PORT");
  cli.flag("--json", o.json, "one JSON document on standard output");
  if (const auto status = cli.parse(arguments)) return *status;
  if (o.verb != "verify" && o.verb != "sign")
    return cli.usage_error("there is no verb '" + o.verb + "': verify, sign or show");
  core::Budget budget;
  const auto message = read_message(o.path, budget);
  if (!message) return cli.usage_error(message.error());
  return o.verb == "verify" ? verify(cli, o, **message) : sign(cli, o, **message);
}

}  // namespace sekisho::cmd
