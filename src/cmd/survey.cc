// sekisho survey DOMAINS.txt | sekisho survey report FOLDER
#include <algorithm>
#include <atomic>
#include <boost/json.hpp>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "base/core/clock.h"
#include "base/core/random.h"
#include "base/core/text.h"
#include "base/dns/stub.h"
#include "base/dns/zone.h"
#include "base/io/io.h"
#include "base/store/file_ops.h"
#include "cmd/commands.h"
#include "cmd/files.h"
#include "cmd/present.h"
#include "cmd/progress.h"
#include "cmd/survey_show.h"
#include "service/survey/run.h"

namespace sekisho::cmd {
namespace {

std::atomic<bool> survey_stopped{false};
void stop_survey(int) { survey_stopped = true; }

class SurveyWatcher final : public survey::Watcher {
 public:
  SurveyWatcher(std::size_t all, std::size_t done) : progress_("asking", all) { progress_.skip(done); }
  bool stop() override { return survey_stopped; }
  void done(std::size_t, std::size_t) override { progress_.step(); }

 private:
  Progress progress_;
};

struct Wishes {
  std::string path, state, zone, csv, names, html;
  std::vector<std::string> resolvers, only, selectors, compare;
  std::int64_t window = 200, rate = 0, per_domain = 2, per_authority = 20, tries = 2, timeout_ms = 8000;
  bool json = false;
};

void declare_outputs(Cli& cli, Wishes& w) {
  cli.texts("--compare", w.compare, "folder of an earlier run, to stand beside this one");
  cli.text("--csv", w.csv, "write the table to this file as CSV");
  cli.text("--names", w.names, "write what each name said to this file as CSV");
  cli.text("--html", w.html, "write a page with pictures to this file");
  cli.flag("--json", w.json, "one JSON document on standard output");
}

bool write_file(const std::string& path, const std::string& text) {
  std::FILE* out = std::fopen(path.c_str(), "wb");
  if (!out) return false;
  const bool written = std::fwrite(text.data(), 1, text.size(), out) == text.size();
  return std::fclose(out) == 0 && written;
}

// The names of a run stand beside its results, so that a report needs no list.
core::Result<survey::List, std::string> read_names(const std::string& path) {
  auto text = read_octets(path);
  if (!text) return core::error(text.error());
  return survey::read_list(*text);
}

core::Result<SurveyRun, std::string> read_run(const std::string& folder, std::vector<std::string>* names = nullptr,
                                              std::vector<survey::Facts>* facts = nullptr) {
  auto list = read_names(folder + "/domains");
  if (!list) return core::error(list.error());
  auto results = survey::Results::read(folder + "/results", list->names.size());
  if (!results) return core::error(results.error());
  if (results->digest != list->digest)
    return core::error(folder + ": its domains and its results do not belong together");
  SurveyRun run{folder, results->started_s, results->plan, survey::count(list->names, results->facts)};
  if (names) *names = std::move(list->names);
  if (facts) *facts = std::move(results->facts);
  return run;
}

// 2: a file could not be written or an earlier run not be read.
int show_survey(const Cli& cli, SurveyView view, const Wishes& w, const std::vector<std::string>& names,
                const std::vector<survey::Facts>& facts) {
  for (const auto& folder : w.compare) {
    auto run = read_run(folder);
    if (!run) return cli.usage_error(run.error());
    view.earlier.push_back(std::move(*run));
  }
  std::sort(view.earlier.begin(), view.earlier.end(),
            [](const auto& a, const auto& b) { return a.started_s < b.started_s; });
  if (!w.csv.empty() && !write_file(w.csv, survey_csv(view))) return cli.usage_error(w.csv + ": cannot be written");
  if (!w.names.empty() && !write_file(w.names, survey_names(names, facts)))
    return cli.usage_error(w.names + ": cannot be written");
  if (!w.html.empty() && !write_file(w.html, survey_page(view))) return cli.usage_error(w.html + ": cannot be written");
  if (w.json)
    print_json(survey_json(view));
  else
    std::fputs(survey_text(view).c_str(), stdout);
  return 0;
}

int survey_report(const Arguments& arguments) {
  Wishes w;
  Cli cli("survey report", "The table of a run again, from its folder; the DNS is not asked.",
          "  sekisho survey report domains.txt.survey\n"
          "  sekisho survey report 2026 --compare 2025 --html survey.html");
  cli.positional("FOLDER", w.path, "where the run kept its results");
  declare_outputs(cli, w);
  if (const auto status = cli.parse(arguments)) return *status;
  std::vector<std::string> names;
  std::vector<survey::Facts> facts;
  auto run = read_run(w.path, &names, &facts);
  if (!run) return cli.usage_error(run.error());
  SurveyView view;
  view.run = std::move(*run);
  return show_survey(cli, std::move(view), w, names, facts);
}

core::Result<std::unique_ptr<dns::Resolver>, std::string> survey_resolver(const Wishes& w) {
  static core::SystemClock clock;
  static core::SystemRandom random;
  dns::StubOptions options;
  for (const auto& text : w.resolvers) {
    const auto server = io::Endpoint::parse(text);
    if (!server) return core::error("--resolver: '" + text + "' is not an address with a port, as in 127.0.0.1:53");
    options.servers.push_back(*server);
  }
  options.timeout_ms = static_cast<std::uint32_t>(w.timeout_ms);
  options.rounds = 3;
  options.cache_bytes = 1u << 20;  // no name is asked twice
  std::unique_ptr<dns::Resolver> stub = dns::make_stub(std::move(options), clock, random);
  if (w.zone.empty()) return stub;
  auto zone = dns::Zone::read(w.zone);
  if (!zone) return core::error(w.zone + ": " + zone.error().text());
  return dns::make_overlay(*zone, std::move(stub));
}

// A text: what is wrong with --only or --selector.
std::string make_plan(const Wishes& w, survey::Plan& plan) {
  for (const auto& word : w.only) {
    const auto field = survey::parse_field(word);
    using enum survey::Field;
    const bool known = field && (*field == kMx || *field == kSpf || *field == kDomainKeys || *field == kDkim ||
                                 *field == kDmarc || *field == kMtaSts || *field == kTlsRpt || *field == kBimi);
    if (!known) return "--only: '" + word + "' is none of mx, spf, domainkeys, dkim, dmarc, mta_sts, tls_rpt, bimi";
    plan.only.push_back(*field);
  }
  plan.selectors = survey::common_selectors();
  for (const auto& selector : w.selectors) {
    if (!mail::Domain::parse(selector)) return "--selector: '" + core::printable(selector) + "' is no selector";
    plan.selectors.insert(plan.selectors.begin(), selector);
  }
  return "";
}

void tell_garbage(const std::string& path, const survey::List& list) {
  constexpr std::size_t kShown = 20;
  for (std::size_t i = 0; i < list.garbage.size() && i < kShown; ++i)
    std::fprintf(stderr, "%s:%zu: '%s' is no domain name; the line is left out\n", path.c_str(), list.garbage[i].line,
                 list.garbage[i].text.c_str());
  if (list.garbage_count > kShown)
    std::fprintf(stderr, "%s: %zu lines more are no domain names\n", path.c_str(), list.garbage_count - kShown);
}

int survey_status(survey::End end, const survey::Table& table, const Wishes& w) {
  const auto& all = table.all;
  if (end == survey::End::kStopped)
    std::fprintf(stderr, "stopped: %llu of %llu names are asked; the same command goes on from there\n",
                 static_cast<unsigned long long>(all.asked), static_cast<unsigned long long>(all.names));
  if (end == survey::End::kDisk)
    std::fprintf(stderr, "%s/results cannot be written; make room, then the same command goes on\n", w.state.c_str());
  return end == survey::End::kDone && (all.answered() > 0 || all.names == 0) ? 0 : 3;
}

int ask_list(const Cli& cli, const Wishes& w, const survey::Plan& plan, const survey::List& list,
             dns::Resolver& resolver) {
  std::error_code fault;
  std::filesystem::create_directories(w.state, fault);
  if (fault) return cli.usage_error(w.state + ": " + fault.message());
  auto results = survey::Results::open(w.state + "/results", list, plan, core::SystemClock().now_s());
  if (!results) return cli.usage_error(results.error());
  std::string names;
  for (const auto& name : list.names) names += name + "\n";
  const auto kept = store::replace_file(store::FileOps::system(), w.state + "/domains", names, 0644, true);
  if (!kept) return cli.usage_error(w.state + "/domains: " + std::strerror(kept.error()));
  if (results->torn_octets)
    std::fprintf(stderr, "%s/results: the last line was cut off by a crash (%zu octets); its name is asked again\n",
                 w.state.c_str(), results->torn_octets);
  const auto before = static_cast<std::size_t>(
      std::count_if(results->facts.begin(), results->facts.end(), [](const survey::Facts& f) { return f.tries > 0; }));
  if (before) std::fprintf(stderr, "going on: %zu of %zu names were asked before\n", before, list.names.size());
  std::signal(SIGINT, stop_survey);
  std::signal(SIGTERM, stop_survey);
  survey::Pace pace;
  pace.window = static_cast<unsigned>(w.window);
  pace.rate = static_cast<unsigned>(w.rate);
  pace.per_domain = static_cast<unsigned>(w.per_domain);
  pace.per_authority = static_cast<unsigned>(w.per_authority);
  pace.tries = static_cast<unsigned>(w.tries);
  const auto psl = dmarc::PublicSuffixList::system();
  survey::End end;
  {
    SurveyWatcher watcher(list.names.size(), before);
    end = io::run(survey::run(list, plan, pace, psl ? &*psl : nullptr, resolver, *results, watcher));
  }
  if (!results->sync()) end = survey::End::kDisk;
  SurveyView view;
  view.run = {w.state, results->started_s, plan.text(), survey::count(list.names, results->facts)};
  view.garbage = list.garbage;
  view.garbage_count = list.garbage_count;
  view.duplicates = list.duplicates;
  const int status = survey_status(end, view.run.table, w);
  const int shown = show_survey(cli, std::move(view), w, list.names, results->facts);
  return shown ? shown : status;
}

}  // namespace

int survey(const Arguments& arguments) {
  if (!arguments.empty() && arguments.front() == "report")
    return survey_report(Arguments(arguments.begin() + 1, arguments.end()));
  Wishes w;
  Cli cli("survey",
          "Asks a list of domains what they publish for their mail - MX, SPF, Sender ID, DomainKeys, DKIM, DMARC, "
          "MTA-STS, TLS-RPT, BIMI -\nand counts by kind of name. It goes on where it was killed. `sekisho survey "
          "report FOLDER` shows a run again.",
          "  sekisho survey domains.txt --resolver 127.0.0.1:53\n"
          "  sekisho survey domains.txt --only spf --rate 500 --state 2026-11\n"
          "  sekisho survey report 2026-11 --compare 2026-10 --html survey.html");
  cli.positional("DOMAINS", w.path, "one name a line; # begins a comment");
  cli.text("--state", w.state, "folder of the results; DOMAINS.survey when left out");
  cli.texts("--resolver", w.resolvers, "ask this recursive resolver, HOST:PORT; given again: the next when one fails");
  cli.text("--zone", w.zone, "master file laid over the DNS");
  cli.texts("--only", w.only,
            "ask only for mx, spf, domainkeys, dkim, dmarc, mta_sts, tls_rpt or bimi; may be given again");
  cli.texts("--selector", w.selectors, "a DKIM selector to try before the common ones; may be given again");
  cli.number("--window", w.window, 1, 5000, "names under way at most (200); fewer while many time out");
  cli.number("--rate", w.rate, 0, 1'000'000, "names begun per second at most; 0: as fast as answers come");
  cli.number("--per-domain", w.per_domain, 1, 1000, "names of one registrable domain under way at most (2)");
  cli.number(
      "--per-authority", w.per_authority, 0, 5000,
      "names that one operator's servers hold under way at most (20); costs one more question; 0: not asked for");
  cli.number("--tries", w.tries, 1, 5, "times that a name is asked whose questions fail (2)");
  cli.number("--timeout-ms", w.timeout_ms, 100, 60'000, "longest wait for one answer, all tries together (8000)");
  declare_outputs(cli, w);
  if (const auto status = cli.parse(arguments)) return *status;
  if (w.state.empty()) w.state = w.path + ".survey";
  survey::Plan plan;
  if (const auto wrong = make_plan(w, plan); !wrong.empty()) return cli.usage_error(wrong);
  auto list = read_names(w.path);
  if (!list) return cli.usage_error(list.error());
  tell_garbage(w.path, *list);
  if (list->names.empty()) return cli.usage_error(w.path + ": has no domain name; write one a line");
  auto resolver = survey_resolver(w);
  if (!resolver) return cli.usage_error(resolver.error());
  return ask_list(cli, w, plan, *list, **resolver);
}

}  // namespace sekisho::cmd
