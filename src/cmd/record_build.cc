// sekisho record build TYPE --domain D
#include <boost/json.hpp>
#include <cstdio>

#include "base/core/clock.h"
#include "base/core/text.h"
#include "base/io/io.h"
#include "cmd/present.h"
#include "cmd/record.h"
#include "cmd/resolving.h"
#include "road/identity/signing/signing.h"

namespace sekisho::cmd {
namespace {

struct Order {
  records::Wish wish;
  std::string type, domain, selector, preset, all, key_file, mode = "testing", zone, resolver, mailbox, config,
                                                             language = "en";
  std::vector<std::string> exchanges;
  bool json = false;
};

void declare(Cli& cli, Order& o) {
  auto& w = o.wish;
  cli.positional("TYPE", o.type, "spf senderid domainkeys dkim dmarc mta-sts tls-rpt bimi");
  cli.text("--domain", o.domain, "whose record it is", true);
  cli.choice("--preset", o.preset, {"isp", "company"},
             "isp: customers send from anywhere (?all, p=none); company: only what is listed (-all, p=reject)");
  cli.flag("--mx", w.mx, "spf: the domain's exchanges send too");
  cli.flag("--a", w.a, "spf: the domain's own address sends too");
  cli.texts("--ip4", w.ip4, "spf: an IPv4 address or network that sends; may be given several times");
  cli.texts("--ip6", w.ip6, "spf: an IPv6 address or network");
  cli.texts("--host", w.hosts, "spf: a host that sends");
  cli.texts("--include", w.includes, "spf: who passes that domain's record passes this one");
  cli.text("--redirect", w.redirect, "spf: that domain's record decides the rest");
  cli.choice("--all", o.all, {"fail", "softfail", "neutral"}, "spf: what holds for all others; softfail when left out");
  cli.text("--scopes", w.scopes, "senderid: mfrom, pra or mfrom,pra");
  cli.choice("--policy", w.policy, {"none", "quarantine", "reject"}, "dmarc: p=; none when left out");
  cli.choice("--subdomain-policy", w.subdomains, {"none", "quarantine", "reject"}, "dmarc: sp=");
  cli.choice("--nonexistent-policy", w.nonexistent, {"none", "quarantine", "reject"}, "dmarc: np=");
  cli.texts("--rua", w.rua, "dmarc, tls-rpt: where reports go, ADDRESS or mailto:ADDRESS; domainkeys: r=");
  cli.texts("--ruf", w.ruf, "dmarc: where failure reports go");
  cli.flag("--strict", w.strict, "dmarc: the very same domain must have passed (adkim=s aspf=s)");
  cli.flag("--testing", w.testing, "dkim, domainkeys, dmarc: t=y");
  cli.flag("--signs-all", w.signs_all, "domainkeys: o=-");
  cli.text("--key", o.key_file, "dkim: the private key (PEM) whose public half is published");
  cli.text("--selector", o.selector, "dkim: its selector; bimi: default when left out");
  cli.text("--id", w.id, "mta-sts: id=; the time when left out");
  cli.choice("--mode", o.mode, {"enforce", "testing", "none"}, "mta-sts: mode of the policy file");
  cli.texts("--exchange", o.exchanges, "mta-sts: a host for an mx: line of the policy; those of the DNS when left out");
  cli.text("--logo", w.logo, "bimi: https address of the SVG");
  cli.text("--certificate", w.certificate, "bimi: https address of the mark certificate");
  cli.text("--simulate", o.mailbox, "what it would have changed for the mails of this mbox file or folder");
  cli.text("--ledger", o.config, "the same for the mails in the ledger of this config file");
  cli.text("--zone", o.zone, "master file laid over the DNS");
  cli.text("--resolver", o.resolver, "ask this resolver, HOST:PORT");
  cli.choice("--lang", o.language, {"en", "ja"}, "language of the report");
  cli.flag("--json", o.json, "one JSON document on standard output");
}

// What the words leave open. A text in return is a usage error.
std::string complete(Order& o, bool policy_given) {
  auto& w = o.wish;
  const auto type = records::type_of(o.type);
  if (!type)
    return "there is no TYPE '" + core::printable(o.type) +
           "': spf senderid domainkeys dkim dmarc mta-sts tls-rpt bimi";
  w.type = *type;
  if (o.all == "fail" || (o.all.empty() && o.preset == "company")) w.all = "-all";
  if (o.all == "neutral" || (o.all.empty() && o.preset == "isp")) w.all = "?all";
  const bool nobody = !w.a && !w.mx && w.ip4.empty() && w.ip6.empty() && w.hosts.empty() && w.includes.empty();
  if (nobody && o.all.empty() && o.preset.empty()) w.all = "-all";
  if (!policy_given && o.preset == "company") w.policy = "reject";
  if (w.id.empty()) w.id = utc_text(core::SystemClock().now_s(), "%Y%m%dT%H%M%S");
  if (w.type == records::Type::kBimi && o.selector.empty()) o.selector = records::kBimiSelector;
  if (w.type != records::Type::kDkim && w.type != records::Type::kBimi) o.selector.clear();
  if (w.type != records::Type::kDkim) return "";
  if (o.selector.empty()) return "a key stands under a selector: give --selector";
  if (o.key_file.empty()) return "name the key: --key FILE";
  const auto key = signing::read_key_file(o.key_file, signing::Openness::kTold);
  if (!key) return key.error();
  w.key = key->key.record();
  return "";
}

core::Task<std::vector<std::string>> exchanges_of(const mail::Domain& domain, dns::Resolver& resolver) {
  core::Budget budget;
  auto asking = resolver.lookup(domain.name(), dns::Type::kMx, budget);
  const dns::AnswerPtr answer = co_await asking;
  std::vector<std::string> out;
  for (const auto& mx : answer->exchanges)
    if (!mx.exchange.is_root()) out.push_back(mx.exchange.text());
  co_return out;
}

std::string sts_policy(const Order& o, const std::vector<std::string>& exchanges) {
  std::string out = "version: STSv1\r\nmode: " + o.mode + "\r\n";
  for (const auto& host : exchanges) out += "mx: " + host + "\r\n";
  return out + "max_age: 604800\r\n";
}

void print_policy(const mail::Domain& domain, const std::string& policy) {
  std::printf("; https://mta-sts.%s/.well-known/mta-sts.txt (text/plain, lines end in CRLF):\n", domain.text().c_str());
  for (std::size_t at = 0; at < policy.size();) {
    const auto end = policy.find("\r\n", at);
    std::printf(";   %s\n", policy.substr(at, end - at).c_str());
    at = end + 2;
  }
}

int answer(const Cli& cli, const Order& o, const mail::Domain& domain, const mail::Domain& place,
           const std::string& text, dns::Resolver& resolver) {
  records::Orders orders{domain, {o.wish.type}, {}, {}, nullptr};
  if (!o.selector.empty()) orders.selectors = {o.selector};
  const auto psl = dmarc::PublicSuffixList::system();
  if (psl) orders.psl = &*psl;
  std::string policy;
  if (o.wish.type == records::Type::kMtaSts) {
    const auto found = o.exchanges.empty() ? io::run(exchanges_of(domain, resolver)) : o.exchanges;
    if (found.empty()) return cli.usage_error("the domain has no exchange in the DNS: give --exchange HOST");
    orders.sts_policy = policy = sts_policy(o, found);
  }
  records::Text strings{text, {}};
  for (std::size_t at = 0; text.size() > 255 && at < text.size(); at += 255)
    strings.string_sizes.push_back(std::min<std::size_t>(255, text.size() - at));
  const auto fresh = records::lay_over(o.wish.type, place.name(), std::move(strings), resolver);
  core::Budget budget;
  budget.dns_queries = 300;
  const auto sheets = io::run(records::examine(orders, *fresh, budget));
  const int status = exit_status(sheets);
  const std::string line = records::zone_line(place, text);
  boost::json::object document{{"domain", domain.text()}, {"type", word(o.wish.type)},
                               {"name", place.text()},    {"text", text},
                               {"zone_line", line},       {"ok", status == 0}};
  document["policy"] = policy.empty() ? boost::json::value(nullptr) : boost::json::value(policy);
  document["records"] = sheets_json(sheets);
  if (!o.json) {
    std::printf("%s\n", line.c_str());
    if (!policy.empty()) print_policy(domain, policy);
    std::printf("\n");
    print_sheets(sheets, o.language == "ja");
  }
  const Simulation simulation{o.wish.type, &domain, o.mailbox, o.config};
  if (simulation.wanted()) {
    auto shown = simulate(simulation, resolver, *fresh, !o.json, o.language == "ja");
    if (!shown) return cli.usage_error(shown.error());
    document["simulation"] = std::move(*shown);
  }
  if (o.json) print_json(document);
  return status;
}

}  // namespace

int record_build(const Arguments& arguments) {
  Order o;
  o.wish.policy.clear();
  Cli cli(
      "record build", "Makes a record, as a line for the zone file, and lints it as if it were published.",
      "  sekisho record build spf --domain example.org --mx --ip4 192.0.2.0/24 --preset company\n  sekisho record "
      "build dmarc --domain example.org --policy none --rua dmarc@example.org\n  sekisho record build dkim --domain "
      "example.org --selector s1 --key s1.pem\n  sekisho record build spf --domain example.org --include "
      "_spf.example.net --preset isp --simulate old.mbox");
  declare(cli, o);
  if (const auto status = cli.parse(arguments)) return *status;
  const auto domain = mail::Domain::parse(o.domain);
  if (!domain) return cli.usage_error("--domain: '" + core::printable(o.domain) + "' is no domain name");
  if (!o.mailbox.empty() && !o.config.empty()) return cli.usage_error("give one of --simulate and --ledger");
  const bool policy_given = !o.wish.policy.empty();
  if (!policy_given) o.wish.policy = "none";
  if (const auto fault = complete(o, policy_given); !fault.empty()) return cli.usage_error(fault);
  const auto place = records::place_of(o.wish.type, *domain, o.selector);
  if (!place) return cli.usage_error("'" + core::printable(o.selector) + "' cannot stand before this domain");
  const auto text = records::build_text(o.wish);
  if (!text) return cli.usage_error(text.error());
  auto resolver = make_resolver(o.zone, o.resolver);
  if (!resolver) return cli.usage_error(resolver.error());
  return answer(cli, o, *domain, *place, *text, **resolver);
}

}  // namespace sekisho::cmd
