// sekisho replay MBOX|DIR
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <cstdio>
#include <map>

#include "base/core/text.h"
#include "cmd/commands.h"
#include "cmd/judge.h"
#include "cmd/mailbox.h"
#include "cmd/present.h"
#include "cmd/progress.h"
#include "cmd/settings.h"
#include "mail/message/message.h"

namespace sekisho::cmd {

namespace {

struct Tally {
  std::map<std::string, std::uint64_t> actions, spf, dkim, dmarc;
  std::map<std::string, std::uint64_t> reasons;   // "stage code"
  std::map<std::string, std::uint64_t> findings;  // "room code"
  std::uint64_t mails = 0, unreadable = 0, queries = 0;
  double cpu_ms = 0, cpu_ms_most = 0;
  std::string slowest;
};

void count(const Judged& judged, const std::string& name, Tally& tally) {
  ++tally.mails;
  ++tally.actions[std::string(verdict::word(judged.verdict.action))];
  const auto& papers = judged.mail.papers;
  ++tally.spf[std::string(road::word(papers.spf_mfrom.result))];
  ++tally.dmarc[std::string(road::word(papers.dmarc.result))];
  if (papers.dkim.empty()) ++tally.dkim["none"];
  for (const auto& v : papers.dkim) ++tally.dkim[std::string(road::word(v.result))];
  for (const auto& r : judged.verdict.reasons)
    ++tally.reasons[std::string(verdict::word(r.stage)) + " " + std::string(r.code)];
  for (const auto& f : judged.findings) ++tally.findings[std::string(f.room) + " " + std::string(f.code)];
  if (!judged.message) ++tally.unreadable;
  tally.queries += judged.queries;
  tally.cpu_ms += judged.cpu_ms;
  if (judged.cpu_ms > tally.cpu_ms_most) tally.cpu_ms_most = judged.cpu_ms, tally.slowest = name;
}

boost::json::object to_json(const std::map<std::string, std::uint64_t>& counts) {
  boost::json::object out;
  for (const auto& [key, n] : counts) out[key] = n;
  return out;
}

void print(const char* title, const std::map<std::string, std::uint64_t>& counts, std::uint64_t all) {
  std::printf("\n%s\n", title);
  std::vector<std::pair<std::string, std::uint64_t>> rows(counts.begin(), counts.end());
  std::stable_sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  for (const auto& [key, n] : rows)
    std::printf("  %-44s %8llu  %5.1f %%\n", key.c_str(), static_cast<unsigned long long>(n),
                all ? 100.0 * static_cast<double>(n) / static_cast<double>(all) : 0.0);
}

core::Task<void> judge_all(const Mailbox& box, Judge& judge, std::int64_t now_s, std::optional<core::IpAddress> ip,
                           std::size_t most, Tally& tally) {
  Progress progress("judging", std::min(most, box.size()));
  for (std::size_t i = 0; i < box.size() && i < most; ++i) {
    auto octets = box.read(i);
    if (!octets) {
      std::fprintf(stderr, "%s\n", octets.error().c_str());
      ++tally.unreadable;
      continue;
    }
    core::Budget budget;
    const auto message = mail::Message::from_file(*octets, budget);
    Judge::Question question;
    question.ip = ip ? *ip : core::IpAddress::v4(0x7f000001);
    if (message && !ip)
      if (const auto found = likely_client(**message)) question.ip = *found;
    if (message) question.helo = likely_helo(**message);
    question.mail_from = likely_mail_from(*octets);
    question.octets = std::move(*octets);
    question.now_s = now_s;
    const Judged judged = co_await judge.judge(std::move(question));
    count(judged, box.name(i), tally);
    progress.step();
  }
}

}  // namespace

int replay(const Arguments& arguments) {
  std::string path, zone, resolver_text, file, ip_text;
  std::int64_t now = 0, most = INT64_MAX;
  bool json = false;
  Cli cli("replay",
          "Judges a whole mailbox as the gate would and counts. Client and HELO are taken from the topmost Received "
          "field that names an outer address.",
          "  sekisho replay ~/Maildir --resolver 127.0.0.1:53\n  sekisho replay old.mbox --zone test.zone --json");
  cli.positional("MAILBOX", path, "an mbox file, a message file, or a folder of messages");
  cli.text("--ip", ip_text, "one client address for all mails");
  cli.number("--now", now, 0, INT64_C(253402300799), "wall time as epoch seconds; 0 is now");
  cli.number("--limit", most, 1, INT64_MAX, "so many mails at most");
  cli.text("--zone", zone, "master file laid over the DNS");
  cli.text("--resolver", resolver_text, "ask this resolver, HOST:PORT");
  cli.text("-c,--config", file, "take policy and settings from this config file");
  cli.flag("--json", json, "one JSON document on standard output");
  if (const auto status = cli.parse(arguments)) return *status;
  std::optional<core::IpAddress> ip;
  if (!ip_text.empty() && !(ip = core::IpAddress::parse(ip_text)))
    return cli.usage_error("--ip: '" + ip_text + "' is not an IPv4 or IPv6 address");
  std::shared_ptr<inbound::Config> road = default_road("mx.sekisho.example");
  if (!file.empty()) {
    auto settings = load_settings(file);
    if (!settings) return cli.usage_error(settings.error().front().text());
    road = settings->road;
    if (zone.empty()) zone = settings->zone_file;
  }
  auto box = Mailbox::open(path);
  if (!box) return cli.usage_error(box.error());
  auto resolver = make_resolver(zone, resolver_text);
  if (!resolver) return cli.usage_error(resolver.error());
  Judge judge(road, std::move(*resolver));
  Tally tally;
  const auto started = std::chrono::steady_clock::now();
  io::run(judge_all(*box, judge, now ? now : core::SystemClock().now_s(), ip, static_cast<std::size_t>(most), tally));
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  const double each = tally.mails ? tally.cpu_ms / static_cast<double>(tally.mails) : 0;
  if (json) {
    print_json(boost::json::object{{"mails", tally.mails},
                                   {"unreadable", tally.unreadable},
                                   {"seconds", seconds},
                                   {"cpu_ms_each", each},
                                   {"cpu_ms_most", tally.cpu_ms_most},
                                   {"slowest", utf8(tally.slowest)},
                                   {"dns_queries", tally.queries},
                                   {"actions", to_json(tally.actions)},
                                   {"spf", to_json(tally.spf)},
                                   {"dkim", to_json(tally.dkim)},
                                   {"dmarc", to_json(tally.dmarc)},
                                   {"reasons", to_json(tally.reasons)},
                                   {"findings", to_json(tally.findings)}});
    return 0;
  }
  print("verdict", tally.actions, tally.mails);
  print("reasons by stage", tally.reasons, tally.mails);
  print("spf", tally.spf, tally.mails);
  print("dkim (per signature)", tally.dkim, tally.mails);
  print("dmarc", tally.dmarc, tally.mails);
  print("findings", tally.findings, tally.mails);
  std::printf("\n%llu mails in %.1f s, %.3f ms CPU each, %.1f ms at most (%s), %llu unreadable\n",
              static_cast<unsigned long long>(tally.mails), seconds, each, tally.cpu_ms_most, tally.slowest.c_str(),
              static_cast<unsigned long long>(tally.unreadable));
  return 0;
}

}  // namespace sekisho::cmd
