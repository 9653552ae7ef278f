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

struct GraphWish {
  std::string file, out_file;
  std::vector<std::string> names;  // of domains, as given and then as they are written
  std::int64_t from_us = 0, to_us = 0;
  bool from_given = false, json = false;
};
struct Gathered {
  std::vector<std::vector<DecidedMail>> mails;  // of each name
  bool cut = false;
};

// An exit status instead: of what was told on stderr.
core::Result<Gathered, int> gather(const Cli& cli, GraphWish& w) {
  Gathered out;
  out.mails.resize(w.names.size());
  for (std::size_t i = 0; i < w.names.size(); ++i) {
    const auto domain = mail::Domain::parse(w.names[i]);
    if (!domain)
      return core::error(cli.usage_error("--domain: '" + core::printable(w.names[i]) + "' is no domain name"));
    w.names[i] = domain->text();
    const PastQuery query{"graph", w.file, w.names[i], "graph of forged mail", w.from_us, w.to_us};
    const auto read = each_decided(query, [&](const boost::json::object& decided, std::int64_t at_us) {
      if (at_us < w.from_us || at_us > w.to_us) return;  // its story lies inside, it does not
      if (const auto proof = proof_of(decided, *domain)) out.mails[i].push_back({at_us / 1'000'000, *proof});
    });
    if (read == PastRead::kFailed) return core::error(2);
    out.cut = out.cut || read == PastRead::kCut;
  }
  return out;
}

Graph picture_of(const GraphWish& w, const Gathered& gathered) {
  const std::int64_t last_s = w.to_us / 1'000'000;
  std::int64_t first_s = w.from_given ? w.from_us / 1'000'000 : last_s;
  if (!w.from_given)
    for (const auto& mails : gathered.mails)
      for (const auto& mail : mails) first_s = std::min(first_s, mail.time_s);
  first_s = std::min(first_s, last_s);
  Graph out;
  out.bucket_s = bucket_for(last_s - first_s);
  out.from_s = first_s / out.bucket_s * out.bucket_s;
  const auto buckets = static_cast<std::size_t>((last_s - out.from_s) / out.bucket_s + 1);
  for (std::size_t i = 0; i < w.names.size(); ++i) {
    GraphPanel panel{w.names[i], {}};
    panel.counts.resize(buckets);
    for (const auto& mail : gathered.mails[i])
      ++panel.counts[static_cast<std::size_t>((mail.time_s - out.from_s) / out.bucket_s)]
                    [static_cast<std::size_t>(mail.proof)];
    out.panels.push_back(std::move(panel));
  }
  return out;
}

boost::json::array panels_json(const Graph& picture, const Gathered& gathered) {
  boost::json::array out;
  for (std::size_t i = 0; i < picture.panels.size(); ++i) {
    const auto& panel = picture.panels[i];
    boost::json::array rows;
    for (std::size_t b = 0; b < panel.counts.size(); ++b)
      rows.push_back({{"from_s", picture.from_s + picture.bucket_s * static_cast<std::int64_t>(b)},
                      {"proven", panel.counts[b][0]},
                      {"forged", panel.counts[b][1]},
                      {"unknown", panel.counts[b][2]}});
    out.push_back({{"domain", panel.domain}, {"mails", gathered.mails[i].size()}, {"buckets", std::move(rows)}});
  }
  return out;
}

}  // namespace

int graph(const Arguments& arguments) {
  GraphWish w;
  std::string what, from, to;
  Cli cli("graph",
          "forged: one picture of mail over time that proved its author's domain, that forged it, and that nobody can "
          "tell, out of the ledger; a panel a domain.",
          "  sekisho graph forged -c sekisho.toml --domain example.org --out forged.svg\n  sekisho graph forged -c "
          "sekisho.toml --domain a.example --domain b.example --from -30d --out forged.svg");
  cli.positional("WHAT", what, "forged");
  cli.text("-c,--config", w.file, "the config file of the server", true);
  cli.texts("--domain", w.names, "an author's domain, with those below it; may be given several times");
  cli.text("--from", from, "not before: epoch seconds, 2026-11-24[ 05:00[:00]] UTC, or -30d");
  cli.text("--to", to, "not after");
  cli.text("--out", w.out_file, "the SVG file", true);
  cli.flag("--json", w.json, "the numbers as one JSON document on standard output");
  if (const auto status = cli.parse(arguments)) return *status;
  if (what != "forged") return cli.usage_error("there is no picture '" + core::printable(what) + "': forged");
  if (w.names.empty() || w.names.size() > 20) return cli.usage_error("give --domain, one to twenty of them");
  w.to_us = core::SystemClock().now_us();
  w.from_given = !from.empty();
  for (const auto& [text, into] : {std::pair(&from, &w.from_us), std::pair(&to, &w.to_us)}) {
    if (text->empty()) continue;
    const auto at = time_us(*text);
    if (!at) return cli.usage_error("'" + *text + "' is not a time: epoch seconds, 2026-11-24, or -30d");
    *into = *at;
  }
  const auto gathered = gather(cli, w);
  if (!gathered) return gathered.error();
  const Graph picture = picture_of(w, *gathered);
  std::ofstream out(w.out_file, std::ios::binary);
  out << draw(picture);
  out.close();
  if (!out) return cli.usage_error("--out: " + w.out_file + " cannot be written");
  std::size_t total = 0;
  for (const auto& mails : gathered->mails) total += mails.size();
  if (w.json)
    print_json(boost::json::object{{"file", utf8(w.out_file)},
                                   {"bucket_s", picture.bucket_s},
                                   {"complete", !gathered->cut},
                                   {"domains", panels_json(picture, *gathered)}});
  else
    std::printf("%s: %zu mails%s\n", w.out_file.c_str(), total, gathered->cut ? " (the newest only)" : "");
  return total ? 0 : 1;
}

}  // namespace sekisho::cmd
