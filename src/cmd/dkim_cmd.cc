// sekisho dkim verify MESSAGE | sign -c FILE MESSAGE | sign --domain D --selector S --key FILE MESSAGE | rotate -c FILE
#include <boost/json.hpp>
#include <cstdio>

#include "base/core/clock.h"
#include "base/core/text.h"
#include "base/io/io.h"
#include "cmd/commands.h"
#include "cmd/dkim_rotate.h"
#include "cmd/files.h"
#include "cmd/present.h"
#include "cmd/resolving.h"
#include "cmd/show.h"
#include "cmd/signing.h"
#include "road/identity/dkim/dkim.h"

namespace sekisho::cmd {

namespace {

struct DkimOptions {
  std::string verb, path, config, zone, resolver, domain, selector, key, algorithm, headers;
  RotateOptions rotate;
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

int sign_failed(const Cli& cli, const DkimOptions& o, dkim::SignError error) {
  return cli.usage_error(error == dkim::SignError::kNoFrom ? o.path + ": the message has no From field"
                                                           : "the message cannot be signed with these options");
}

// The keys of the config for the author of the mail, all at once.
int sign_by_config(const Cli& cli, const DkimOptions& o) {
  if (!o.domain.empty() || !o.selector.empty() || !o.key.empty() || !o.algorithm.empty())
    return cli.usage_error("the config names domain, selector and key: either -c, or --domain, --selector and --key");
  core::Budget budget;
  const auto message = read_message(o.path, budget);
  if (!message) return cli.usage_error(message.error());
  int status = 0;
  const auto chosen = choose_keys(cli, o.config, **message, SignMethod::kDkim, status);
  if (!chosen) return status;
  std::vector<dkim::SignWith> with;
  for (const auto* key : chosen->keys) {
    dkim::SignOptions options{key->domain, key->selector};
    options.headers = split_names(o.headers);
    options.now_s = o.now ? o.now : core::SystemClock().now_s();
    if (!key->user.empty()) options.agent_id = chosen->author->text();
    with.push_back({&key->key, std::move(options)});
  }
  const auto fields = dkim::sign_all(**message, with);
  return fields ? write_signed(cli, *fields, **message) : sign_failed(cli, o, fields.error());
}

int sign(const Cli& cli, const DkimOptions& o) {
  if (!o.config.empty()) return sign_by_config(cli, o);
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
  if (!field) return sign_failed(cli, o, field.error());
  return write_signed(cli, *field, **message);
}

}  // namespace

int dkim(const Arguments& arguments) {
  if (wants_show(arguments)) return show_dkim(arguments);
  DkimOptions o;
  Cli cli("dkim",
          "verify: every DKIM signature of a message. sign: writes the whole signed message; with -c by all keys that\n"
          "[[signing_key]] has for its author. rotate: begins or goes on with the change of the keys in key_folder;\n"
          "each step is safe to be killed and run again, and says what to publish. Exit status of rotate: 0 done for\n"
          "now, 1 the record in the DNS is another, 3 it is not published yet.\n"
          "rotate は key_folder の鍵の交換を始めるか続けます。途中で止めても再実行すれば続きから進み、公開すべき\n"
          "レコードを表示します。",
          "  sekisho dkim show s1._domainkey.example.org\n"
          "  sekisho dkim verify --json mail.eml\n"
          "  sekisho dkim sign -c /etc/sekisho/sekisho.toml mail.eml > signed.eml\n"
          "  sekisho dkim rotate -c /etc/sekisho/sekisho.toml --domain example.org\n"
          "  sekisho dkim rotate -c /etc/sekisho/sekisho.toml --continue     (for cron: never begins a change)\n"
          "  sekisho dkim rotate -c /etc/sekisho/sekisho.toml --status --json\n"
          "  sekisho dkim sign --domain example.org --selector s1 --key s1.pem mail.eml > signed.eml");
  cli.positional("VERB", o.verb, "verify, sign, rotate, or show with its own --help");
  cli.positional("MESSAGE", o.path, "a file, or - for standard input", false);
  cli.text("-c,--config", o.config, "sign, rotate: the config file with [[signing_key]]");
  cli.text("--domain", o.domain, "sign: d=. rotate: only the keys of this domain");
  cli.text("--selector", o.selector, "sign: s=. rotate: of the new key; by algorithm and date when left out");
  cli.text("--key", o.key, "sign: private key, PEM");
  cli.choice("--algorithm", o.algorithm, {"rsa-sha256", "ed25519-sha256", "rsa-sha1"},
             "sign: a=; by the key when left out. rotate: of the new key; that of the old one when left out");
  cli.text("--user", o.rotate.user, "rotate: only the keys of this local part");
  cli.number("--bits", o.rotate.rsa_bits, 2048, 4096, "rotate: of a new RSA key");
  cli.number("--overlap-days", o.rotate.overlap_days, 0, 365, "rotate: instead of signing.overlap_days");
  cli.flag("--continue", o.rotate.only_continue, "rotate: goes on with what was begun, begins nothing");
  cli.flag("--status", o.rotate.only_status, "rotate: shows keys and records, changes nothing");
  cli.text("--headers", o.headers, "sign: h=, as from:to:subject; a safe list when left out");
  cli.number("--now", o.now, 0, INT64_C(253402300799), "wall time as epoch seconds; sign writes it as t=");
  cli.flag("--legacy", o.legacy, "verify: also what RFC 8301 forbids, and drafts before RFC 4871");
  cli.text("--zone", o.zone, "master file laid over the DNS");
  cli.text("--resolver", o.resolver, "ask this resolver, HOST:PORT");
  cli.flag("--json", o.json, "one JSON document on standard output");
  if (const auto status = cli.parse(arguments)) return *status;
  if (o.verb == "rotate") {
    if (!o.path.empty()) return cli.usage_error("rotate takes no message");
    o.rotate.config = o.config;
    o.rotate.domain = o.domain;
    o.rotate.selector = o.selector;
    o.rotate.algorithm = o.algorithm;
    o.rotate.zone = o.zone;
    o.rotate.resolver = o.resolver;
    o.rotate.now_s = o.now ? o.now : core::SystemClock().now_s();
    o.rotate.json = o.json;
    return rotate(cli, o.rotate);
  }
  if (o.verb != "verify" && o.verb != "sign")
    return cli.usage_error("there is no verb '" + o.verb + "': verify, sign, rotate or show");
  if (o.path.empty()) return cli.usage_error(o.verb + " needs a message: a file, or - for standard input");
  return o.verb == "verify" ? verify(cli, o) : sign(cli, o);
}

}  // namespace sekisho::cmd
