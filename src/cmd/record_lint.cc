// sekisho record lint NAME
#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>

#include "base/core/text.h"
#include "base/dns/zone.h"
#include "base/io/io.h"
#include "cmd/files.h"
#include "cmd/present.h"
#include "cmd/record.h"
#include "cmd/resolving.h"

namespace sekisho::cmd {
namespace {

struct Wanted {
  std::string name, type, zone, resolver, policy_file, psl_file, mailbox, config, language = "en";
  std::vector<std::string> selectors;
  std::optional<std::string> text;
  bool json = false;
};

// The type and domain that NAME, --type and --text say together; a text in return is a usage error.
core::Result<records::Orders, std::string> orders_of(const Wanted& w, const std::optional<records::Text>& text) {
  const auto name = mail::Domain::parse(w.name);
  if (!name) return core::error("'" + core::printable(w.name) + "' is no domain name");
  records::Orders orders{*name, {}, w.selectors, {}, nullptr};
  std::optional<records::Type> type;
  if (!w.type.empty()) type = records::type_of(w.type);
  if (const auto place = records::place_in(*name)) {
    if (!type) type = place->type;
    orders.domain = place->domain;
    if (!place->selector.empty()) orders.selectors = {place->selector};
  }
  if (!type && text) {
    type = records::classify(text->octets);
    if (!type) return core::error("what kind of record --text is cannot be seen: give --type");
  }
  if (type) orders.types = {*type};
  if (text && *type == records::Type::kDkim && orders.selectors.size() != 1)
    return core::error("--text of a DKIM key stands at one name: give one --selector");
  for (const auto& selector : orders.selectors)
    if (!records::place_of(records::Type::kDkim, orders.domain, selector))
      return core::error("--selector: '" + core::printable(selector) + "' cannot stand in a name");
  return orders;
}

}  // namespace

core::Result<records::Text, std::string> read_record_text(const std::string& text) {
  if (!text.starts_with('"') || text.find('\n') != std::string::npos) return records::Text{text, {}};
  const auto zone = dns::Zone::parse("$ORIGIN .\nx. 300 IN TXT " + text + "\n");
  if (!zone) return core::error("--text: " + zone.error().what);
  dns::Answer answer;
  records::Text out;
  for (const auto& [name, node] : zone->nodes())
    for (const auto& [type, set] : node.sets) {
      const std::string_view rdata = set.rdata.front();
      for (std::size_t at = 0; at < rdata.size();) {
        const auto size = static_cast<unsigned char>(rdata[at]);
        out.octets.append(rdata.substr(at + 1, size));
        out.string_sizes.push_back(size);
        at += 1 + size;
      }
    }
  return out;
}

int record_lint(const Arguments& arguments) {
  Wanted w;
  Cli cli(
      "record lint",
      "Looks at the records a domain publishes for its mail and says of each problem which rule it breaks, where, "
      "and what to do. With --text: as if that record were published.",
      "  sekisho record lint example.org\n  sekisho record lint example.org --type dkim --selector s1 --selector "
      "s2\n  sekisho record lint s1._domainkey.example.org --json\n  sekisho record lint example.org --text 'v=spf1 "
      "mx include:_spf.example.net -all'");
  cli.positional("NAME", w.name, "a domain, or the name of a record: _dmarc.example.org");
  cli.choice("--type", w.type, {"spf", "senderid", "domainkeys", "dkim", "dmarc", "mta-sts", "tls-rpt", "bimi"},
             "only this kind, which must be there; all kinds when left out");
  cli.texts("--selector", w.selectors, "a DKIM (or, with --type bimi, BIMI) selector; may be given several times");
  cli.octets("--text", w.text, "this record instead of the published one: its text, or master-file strings in quotes");
  cli.text("--policy", w.policy_file, "the MTA-STS policy file, as fetched");
  cli.text("--psl", w.psl_file, "public suffix list file; the system's when left out");
  cli.text("--simulate", w.mailbox,
           "with --text: what it would have changed for the mails of this mbox file or folder");
  cli.text("--ledger", w.config, "with --text: the same for the mails in the ledger of this config file");
  cli.text("--zone", w.zone, "master file laid over the DNS");
  cli.text("--resolver", w.resolver, "ask this resolver, HOST:PORT");
  cli.choice("--lang", w.language, {"en", "ja"}, "language of the report");
  cli.flag("--json", w.json, "one JSON document on standard output");
  if (const auto status = cli.parse(arguments)) return *status;
  if (!w.mailbox.empty() && !w.config.empty()) return cli.usage_error("give one of --simulate and --ledger");
  if (!w.text && (!w.mailbox.empty() || !w.config.empty()))
    return cli.usage_error("--simulate and --ledger ask what a new record changes: give it with --text");
  std::optional<records::Text> text;
  if (w.text) {
    auto read = read_record_text(*w.text);
    if (!read) return cli.usage_error(read.error());
    text = std::move(*read);
  }
  auto orders = orders_of(w, text);
  if (!orders) return cli.usage_error(orders.error());
  if (!w.policy_file.empty()) {
    auto policy = read_octets(w.policy_file);
    if (!policy) return cli.usage_error(policy.error());
    orders->sts_policy = std::move(*policy);
  }
  const auto psl = w.psl_file.empty() ? dmarc::PublicSuffixList::system() : dmarc::PublicSuffixList::load(w.psl_file);
  if (!psl && !w.psl_file.empty()) return cli.usage_error(w.psl_file + ": is no public suffix list");
  if (psl) orders->psl = &*psl;
  auto resolver = make_resolver(w.zone, w.resolver);
  if (!resolver) return cli.usage_error(resolver.error());
  std::unique_ptr<dns::Resolver> laid;
  if (text) {
    const auto type = orders->types.front();
    const bool selects = type == records::Type::kDkim || type == records::Type::kBimi;
    const std::string_view selector = !selects                    ? std::string_view()
                                      : orders->selectors.empty() ? records::kBimiSelector
                                                                  : std::string_view(orders->selectors.front());
    const auto place = records::place_of(type, orders->domain, selector);
    if (!place) return cli.usage_error("--text: there is no room for its label before '" + orders->domain.text() + "'");
    laid = records::lay_over(type, place->name(), std::move(*text), **resolver);
  }
  core::Budget budget;
  budget.dns_queries = 300;
  const auto sheets = io::run(records::examine(*orders, laid ? *laid : **resolver, budget));
  const int status = exit_status(sheets);
  if (!w.json) print_sheets(sheets, w.language == "ja");
  boost::json::object document{{"domain", orders->domain.text()}, {"ok", status == 0}};
  document["records"] = sheets_json(sheets);
  const Simulation simulation{orders->types.empty() ? records::Type::kSpf : orders->types.front(), &orders->domain,
                              w.mailbox, w.config};
  if (simulation.wanted()) {
    auto shown = simulate(simulation, **resolver, *laid, !w.json, w.language == "ja");
    if (!shown) return cli.usage_error(shown.error());
    document["simulation"] = std::move(*shown);
  }
  if (w.json) print_json(document);
  return status;
}

}  // namespace sekisho::cmd
