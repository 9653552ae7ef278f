// sekisho ledger verify|show
#include <boost/json.hpp>
#include <cstdio>

#include "cmd/commands.h"
#include "cmd/live.h"
#include "cmd/present.h"

namespace sekisho::cmd {

namespace {

void print_records(const boost::json::object& answer) {
  const auto text = [](const boost::json::value& v) {
    return v.is_string() ? std::string(v.as_string()) : boost::json::serialize(v);
  };
  for (const auto& r : answer.at("records").as_array()) {
    std::printf("%8s  %s  %s\n", text(r.at("seq")).c_str(), text(r.at("time")).c_str(), text(r.at("event")).c_str());
    for (const auto& f : r.at("fields").as_array())
      std::printf("%12s%-28s %s\n", "", text(f.at("name")).c_str(), text(f.at("value")).c_str());
  }
}

int print_problems(const boost::json::object& answer) {
  const auto& problems = answer.at("problems").as_array();
  for (const auto& p : problems)
    std::printf("problem: %s at offset %s: %s\n", std::string(p.at("file").as_string()).c_str(),
                boost::json::serialize(p.at("offset")).c_str(), std::string(p.at("text").as_string()).c_str());
  if (const auto* repaired = answer.if_contains("repaired"))
    for (const auto& p : repaired->as_array())
      std::printf("repaired at the last start: %s at offset %s: %s\n", std::string(p.at("file").as_string()).c_str(),
                  boost::json::serialize(p.at("offset")).c_str(), std::string(p.at("text").as_string()).c_str());
  return problems.empty() ? 0 : 1;
}

}  // namespace

int ledger(const Arguments& arguments) {
  std::string verb, file;
  std::string since, until;
  std::int64_t limit = 20, from = 0, last = 0;
  bool json = false;
  Cli cli(
      "ledger",
      "verify: walks all segments - chain, signatures, gaps. show: the last records, or those from a number or a time "
      "on.",
      "  sekisho ledger verify -c sekisho.toml\n  sekisho ledger show -c sekisho.toml --last 50\n"
      "  sekisho ledger show -c sekisho.toml --since '2026-11-24 05:00' --until '2026-11-24 06:00' --limit 1000\n"
      "  sekisho ledger show -c sekisho.toml --from-seq 1200 --json");
  cli.positional("VERB", verb, "verify or show");
  cli.text("-c,--config", file, "the config file of the server", true);
  cli.number("--from-seq", from, 0, INT64_MAX, "show: the first record's number; 0: the last ones");
  cli.number("--last", last, 1, 100000, "show: so many of the newest records");
  cli.text("--since", since, "show: not before: epoch seconds, 2026-11-24[ 05:00[:00]] UTC, or -2h");
  cli.text("--until", until, "show: not after");
  cli.number("--limit", limit, 1, 100000, "show: records at most");
  cli.flag("--json", json, "one JSON document on standard output");
  if (const auto status = cli.parse(arguments)) return *status;
  if (verb != "verify" && verb != "show") return cli.usage_error("there is no verb '" + verb + "': verify or show");
  if (last > 0 && (from > 0 || !since.empty() || !until.empty()))
    return cli.usage_error("--last shows the newest records: it does not go with --from-seq, --since or --until");
  boost::json::object request{{"verb", "ledger_" + verb}, {"from_seq", from}, {"limit", last > 0 ? last : limit}};
  for (const auto& [key, value] : {std::pair<const char*, std::string>{"since_us", since}, {"until_us", until}}) {
    const std::string fault = put_time(request, key, value);
    if (!fault.empty()) return cli.usage_error(fault);
  }
  const auto answer = ask_live("ledger", file, std::move(request));
  if (!answer) return 2;
  if (json) {
    print_json(*answer);
    return answer->at("problems").as_array().empty() ? 0 : 1;
  }
  if (verb == "show")
    print_records(*answer);
  else
    std::printf(
        "%s records in %s segments, %s signed heads, %s anchors: %s\n",
        boost::json::serialize(answer->at("records")).c_str(), boost::json::serialize(answer->at("segments")).c_str(),
        boost::json::serialize(answer->at("heads")).c_str(), boost::json::serialize(answer->at("anchors")).c_str(),
        answer->at("verified").as_bool() ? "good" : "PROBLEMS");
  return print_problems(*answer);
}

}  // namespace sekisho::cmd
