// sekisho graph forged --domain D --out FILE.svg
#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>
#include <fstream>

#include "base/core/clock.h"
#include "base/core/text.h"
#include "cmd/commands.h"
#include "cmd/graph_svg.h"
#include "cmd/live.h"
#include "cmd/past.h"
#include "cmd/present.h"
#include "mail/address/address.h"

namespace sekisho::cmd {
namespace {

struct DecidedMail {
  std::int64_t time_s;
  Proof proof;
};

// Of a mail whose author is in the domain: what DMARC said when it came.
std::optional<Proof> proof_of(const boost::json::object& decided, const mail::Domain& domain) {
  const auto author = mail::Domain::parse(member_text(decided, "author_domain"));
  if (!author || !author->is_at_or_below(domain)) return {};
  const auto* methods = decided.if_contains("authentication");
  if (methods && methods->is_array())
    for (const auto& method : methods->as_array()) {
      if (member_text(method.as_object(), "method") != "dmarc") continue;
      const auto result = member_text(method.as_object(), "result");
      return result == "pass" ? Proof::kProven : result == "fail" ? Proof::kForged : Proof::kUnknown;
    }
  return Proof::kUnknown;
}

// An hour, some hours, a day or some days: at most 60 buckets.
std::int64_t bucket_for(std::int64_t span_s) {
  for (const std::int64_t hours : {1, 3, 6, 12, 24, 48, 7 * 24, 14 * 24, 28 * 24, 91 * 24})
    if (span_s <= hours * 3600 * 60) return hours * 3600;
  return 365ll * 86400;
}

}  // namespace

int graph(const Arguments& arguments) {
  std::string what, file, from, to, out_file;
  std::vector<std::string> names;
  bool json = false;
  Cli cli("graph",
          "forged: one picture of mail over time that proved its author's domain, that forged it, and that nobody can "
          "tell, out of the ledger; a panel a domain.",
          "  sekisho graph forged -c sekisho.toml --domain example.org --out forged.svg\n  sekisho graph forged -c "
          "sekisho.toml --domain a.example --domain b.example --from -30d --out forged.svg");
  cli.positional("WHAT", what, "forged");
  cli.text("-c,--config", file, "the config file of the server", true);
  cli.texts("--domain", names, "an author's domain, with those below it; may be given several times");
  cli.text("--from", from, "not before: epoch seconds, 2026-11-24[ 05:00[:00]] UTC, or -30d");
  cli.text("--to", to, "not after");
  cli.text("--out", out_file, "the SVG file", true);
  cli.flag("--json", json, "the numbers as one JSON document on standard output");
  if (const auto status = cli.parse(arguments)) return *status;
  if (what != "forged") return cli.usage_error("there is no picture '" + core::printable(what) + "': forged");
  if (names.empty() || names.size() > 20) return cli.usage_error("give --domain, one to twenty of them");
  std::int64_t from_us = 0, to_us = core::SystemClock().now_us();
  for (const auto& [text, into] : {std::pair(&from, &from_us), std::pair(&to, &to_us)}) {
    if (text->empty()) continue;
    const auto at = time_us(*text);
    if (!at) return cli.usage_error("'" + *text + "' is not a time: epoch seconds, 2026-11-24, or -30d");
    *into = *at;
  }
  std::vector<std::vector<DecidedMail>> mails(names.size());
  std::int64_t first_s = INT64_MAX;
  bool cut = false;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto domain = mail::Domain::parse(names[i]);
    if (!domain) return cli.usage_error("--domain: '" + core::printable(names[i]) + "' is no domain name");
    names[i] = domain->text();
    const PastQuery query{"graph", file, names[i], "graph of forged mail", from_us, to_us};
    const auto read = each_decided(query, [&](const boost::json::object& decided, std::int64_t at_us) {
      const auto proof = proof_of(decided, *domain);
      if (at_us < from_us || at_us > to_us) return;  // its story lies inside, it does not
      if (proof) mails[i].push_back({at_us / 1'000'000, *proof}), first_s = std::min(first_s, at_us / 1'000'000);
    });
    if (read == PastRead::kFailed) return 2;
    cut = cut || read == PastRead::kCut;
  }
  const std::int64_t last_s = to_us / 1'000'000;
  if (!from.empty()) first_s = from_us / 1'000'000;
  first_s = std::min(first_s, last_s);
  Graph picture;
  picture.bucket_s = bucket_for(last_s - first_s);
  picture.from_s = first_s / picture.bucket_s * picture.bucket_s;
  const auto buckets = static_cast<std::size_t>((last_s - picture.from_s) / picture.bucket_s + 1);
  boost::json::array panels;
  std::size_t total = 0;
  for (std::size_t i = 0; i < names.size(); ++i) {
    GraphPanel panel{names[i], {}};
    panel.counts.resize(buckets);
    for (const auto& mail : mails[i])
      ++panel.counts[static_cast<std::size_t>((mail.time_s - picture.from_s) / picture.bucket_s)]
                    [static_cast<std::size_t>(mail.proof)];
    total += mails[i].size();
    boost::json::array rows;
    for (std::size_t b = 0; b < buckets; ++b)
      rows.push_back({{"from_s", picture.from_s + picture.bucket_s * static_cast<std::int64_t>(b)},
                      {"proven", panel.counts[b][0]},
                      {"forged", panel.counts[b][1]},
                      {"unknown", panel.counts[b][2]}});
    panels.push_back({{"domain", names[i]}, {"mails", mails[i].size()}, {"buckets", std::move(rows)}});
    picture.panels.push_back(std::move(panel));
  }
  std::ofstream out(out_file, std::ios::binary);
  out << draw(picture);
  out.close();
  if (!out) return cli.usage_error("--out: " + out_file + " cannot be written");
  if (json)
    print_json(boost::json::object{
        {"file", utf8(out_file)}, {"bucket_s", picture.bucket_s}, {"complete", !cut}, {"domains", std::move(panels)}});
  else
    std::printf("%s: %zu mails%s\n", out_file.c_str(), total, cut ? " (the newest only)" : "");
  return total ? 0 : 1;
}

}  // namespace sekisho::cmd
