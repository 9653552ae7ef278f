// sekisho lab run -c FILE [--once] [--mail MBOX|DIR]
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <boost/json.hpp>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>

#include "base/control/control.h"
#include "base/core/text.h"
#include "cmd/commands.h"
#include "cmd/dialogue.h"
#include "cmd/files.h"
#include "cmd/live.h"
#include "cmd/mailbox.h"
#include "cmd/present.h"
#include "cmd/progress.h"
#include "cmd/settings.h"

namespace sekisho::cmd {

namespace {

using config::Kind;

const config::Table& lab_table() {
  static const config::Table table({
      {"mail[].file", Kind::kPath, "!", "", "", "the message, or .smtp: octets of DATA as they are", ""},
      {"mail[].title", Kind::kText, "!", "", "", "what it shows", ""},
      {"mail[].title_ja", Kind::kText, "", "", "", "the same in Japanese", ""},
      {"mail[].ip", Kind::kText, "127.0.0.1", "", "", "loopback address of the client", ""},
      {"mail[].helo", Kind::kText, "localhost", "", "", "EHLO", ""},
      {"mail[].mail_from", Kind::kText, "", "", "", "MAIL FROM", ""},
      {"mail[].rcpt", Kind::kText, "!", "", "", "RCPT TO", ""},
      {"mail[].size", Kind::kInt, "0", "0..9223372036854775807", "bytes", "SIZE= as claimed; 0: none", ""},
      {"mail[].expect_reply", Kind::kText, "!", "", "", "code of the deciding reply", ""},
      {"mail[].expect_action", Kind::kText, "", "|accept|tag|quarantine|defer|reject", "", "the verdict", ""},
      {"mail[].expect_spf", Kind::kText, "", "", "", "SPF of the MAIL FROM identity", ""},
      {"mail[].expect_dkim", Kind::kText, "", "", "", "DKIM results in order", ""},
      {"mail[].expect_dmarc", Kind::kText, "", "", "", "DMARC result", ""},
  });
  return table;
}

struct Line {
  std::string name, title, title_ja, message_id;
  LabMail mail;
  std::string reply, action, spf, dkim, dmarc;  // expected; "" is not judged
  std::string got_reply, got_action, got_spf, got_dkim, got_dmarc, got_reason;
  bool as_expected() const {
    const auto same = [](const std::string& want, const std::string& got) { return want.empty() || want == got; };
    return got_reply.compare(0, reply.size(), reply) == 0 && same(action, got_action) && same(spf, got_spf) &&
           same(dkim, got_dkim) && same(dmarc, got_dmarc);
  }
};

std::string message_id_of(const std::string& octets) {
  core::Budget budget;
  const auto message = mail::Message::from_file(octets, budget);
  if (!message) return "";
  const auto* field = (*message)->first("Message-ID");
  return field ? std::string(core::trim_fws(field->value)) : "";
}

core::Result<std::vector<Line>, std::string> read_lab(const std::string& file) {
  const auto values = config::load(file, lab_table());
  if (!values) return core::error(values.error().front().text());
  std::vector<Line> out;
  for (std::size_t i = 0; i < values->count("mail"); ++i) {
    const std::string at = "mail[" + std::to_string(i) + "].";
    Line line;
    const std::string& path = values->text(at + "file");
    auto octets = read_octets(path);
    if (!octets) return core::error(octets.error());
    line.name = std::filesystem::path(path).stem();
    line.title = values->text(at + "title");
    line.title_ja = values->text(at + "title_ja");
    line.message_id = message_id_of(*octets);
    line.mail.raw = path.ends_with(".smtp");
    line.mail.octets = line.mail.raw ? std::move(*octets) : with_crlf(*octets);
    line.mail.ip = values->text(at + "ip");
    line.mail.helo = values->text(at + "helo");
    line.mail.mail_from = values->text(at + "mail_from");
    line.mail.rcpt = values->text(at + "rcpt");
    if (values->number(at + "size") > 0) line.mail.size = static_cast<std::uint64_t>(values->number(at + "size"));
    line.reply = values->text(at + "expect_reply");
    line.action = values->text(at + "expect_action");
    line.spf = values->text(at + "expect_spf");
    line.dkim = values->text(at + "expect_dkim");
    line.dmarc = values->text(at + "expect_dmarc");
    out.push_back(std::move(line));
  }
  return out;
}

core::Result<std::vector<Line>, std::string> read_mailbox(const std::string& path, const Settings& settings) {
  const auto box = Mailbox::open(path);
  if (!box) return core::error(box.error());
  const auto* domain = settings.road->domains.first();
  const std::string rcpt =
      (domain->recipients.empty() ? "user" : *domain->recipients.begin()) + "@" + domain->name.text();
  std::vector<Line> out;
  for (std::size_t i = 0; i < box->size(); ++i) {
    auto octets = box->read(i);
    if (!octets) return core::error(octets.error());
    Line line;
    line.name = std::filesystem::path(box->name(i)).filename();
    line.message_id = message_id_of(*octets);
    line.mail = {"127.0.0.1", "localhost", likely_mail_from(*octets), rcpt, {}, with_crlf(*octets), false};
    out.push_back(std::move(line));
  }
  return out;
}

// What the ledger tells of the mail: the newest story of this Message-ID.
// True when there was one; a refusal's record is not waited for by the gate and may come some milliseconds later.
core::Task<bool> ask_story(const std::string& socket, std::int64_t since_us, Line& line) {
  boost::json::object query{
      {"verb", "trace"},    {"message_id", line.message_id}, {"reason", "first run"}, {"by_whom", "lab"}, {"limit", 1},
      {"from_us", since_us}};
  auto answer = co_await control::ask(socket, boost::json::serialize(query), io::now_ms() + 20'000);
  if (!answer) co_return false;
  const auto parsed = boost::json::parse(*answer);
  const auto* stories = parsed.as_object().if_contains("stories");
  if (!stories || stories->as_array().empty()) co_return false;
  for (const auto& event : stories->as_array().front().at("events").as_array()) {
    const auto& e = event.as_object();
    if (e.at("event").as_string() != "decided") continue;
    line.got_action = std::string(e.at("action").as_string());
    for (const auto& a : e.at("authentication").as_array()) {
      const std::string method(a.at("method").as_string()), result(a.at("result").as_string());
      if (method == "spf") line.got_spf = result;
      if (method == "dkim") line.got_dkim += (line.got_dkim.empty() ? "" : " ") + result;
      if (method == "dmarc") line.got_dmarc = result;
    }
    if (line.got_dkim.empty()) line.got_dkim = "none";
    if (!e.at("reasons").as_array().empty())
      line.got_reason = std::string(e.at("reasons").as_array().front().at("code").as_string());
  }
  co_return true;
}

struct Run {
  std::vector<Line> lines;
  bool verified = false;
  std::uint64_t delivered = 0, refused = 0, as_expected = 0;
};

core::Task<void> send_all(const Settings& settings, Run& run) {
  const std::int64_t since_us = core::SystemClock().now_us();
  Progress progress("sending", run.lines.size());
  for (auto& line : run.lines) {
    LabMail mail = line.mail;
    line.got_reply = co_await send_mail(settings.mx.front(), std::move(mail));
    for (int i = 0; i < 5 && !line.message_id.empty(); ++i) {
      const bool told = co_await ask_story(settings.control_socket, since_us, line);
      if (told) break;
      auto slept = co_await io::sleep_until(io::now_ms() + 20);
      if (!slept) break;
    }
    (line.got_reply.compare(0, 1, "2") == 0 ? run.delivered : run.refused) += 1;
    run.as_expected += line.as_expected();
    progress.step();
  }
  auto answer = co_await control::ask(settings.control_socket, "{\"verb\":\"ledger_verify\"}", io::now_ms() + 60'000);
  if (answer) run.verified = boost::json::parse(*answer).as_object().at("verified").as_bool();
}

core::Task<bool> wait_ready(const std::string& socket, pid_t child) {
  for (int i = 0; i < 600; ++i) {
    int status;
    if (::waitpid(child, &status, WNOHANG) == child) co_return false;
    auto answer = co_await control::ask(socket, "{\"verb\":\"ping\"}", io::now_ms() + 1000);
    if (answer) co_return true;
    auto slept = co_await io::sleep_until(io::now_ms() + 50);
    if (!slept) co_return false;
  }
  co_return false;
}

std::string short_text(const std::string& text, std::size_t width) {
  return text.size() <= width ? text : text.substr(0, width - 2) + "..";
}

void print_table(const Run& run, bool judged) {
  std::printf("%-22s %-5s %-10s %-9s %-10s %-9s %-30s %s\n", "mail", "reply", "verdict", "spf", "dkim", "dmarc",
              "reason", judged ? "as expected" : "");
  for (const auto& l : run.lines) {
    std::printf("%-22s %-5s %-10s %-9s %-10s %-9s %-30s %s\n", short_text(l.name, 22).c_str(),
                l.got_reply.substr(0, 3).c_str(), l.got_action.c_str(), l.got_spf.c_str(),
                short_text(l.got_dkim, 10).c_str(), l.got_dmarc.c_str(), l.got_reason.c_str(),
                !judged           ? ""
                : l.as_expected() ? "yes"
                                  : "NO");
    if (judged) std::printf("    %s\n    %s\n", l.title.c_str(), l.title_ja.c_str());
    if (l.got_reply.compare(0, 1, "2") != 0)
      std::printf("    %s\n", l.got_reply.empty() ? "(the server went away)" : l.got_reply.c_str());
    if (judged && !l.as_expected())
      std::printf("    expected: reply %s verdict %s spf %s dkim %s dmarc %s\n    happened: %s\n", l.reply.c_str(),
                  l.action.c_str(), l.spf.c_str(), l.dkim.c_str(), l.dmarc.c_str(), l.got_reply.c_str());
  }
  std::map<std::string, std::uint64_t> actions, stages;
  for (const auto& l : run.lines) {
    ++actions[l.got_action.empty() ? "refused before or at DATA" : l.got_action];
    ++stages[!l.got_reason.empty() ? l.got_reason : l.got_action.empty() ? "(the reply says it)" : "-"];
  }
  std::printf("\nverdict                        mails\n");
  for (const auto& [name, n] : actions)
    std::printf("  %-28s %5llu\n", name.c_str(), static_cast<unsigned long long>(n));
  std::printf("first reason\n");
  for (const auto& [name, n] : stages) std::printf("  %-28s %5llu\n", name.c_str(), static_cast<unsigned long long>(n));
  std::printf("\n%zu mails, %llu taken, %llu refused%s, ledger %s\n", run.lines.size(),
              static_cast<unsigned long long>(run.delivered), static_cast<unsigned long long>(run.refused),
              judged ? (", " + std::to_string(run.as_expected) + " as expected").c_str() : "",
              run.verified ? "verified" : "NOT VERIFIED");
}

bool write_summary(const Run& run, const std::string& folder) {
  std::error_code fault;
  std::filesystem::create_directories(folder, fault);
  std::ofstream out(folder + "/summary.json");
  out << boost::json::serialize(boost::json::object{{"mails", run.lines.size()},
                                                    {"as_expected", run.as_expected},
                                                    {"delivered", run.delivered},
                                                    {"refused", run.refused},
                                                    {"ledger_verified", run.verified}})
      << "\n";
  return out.good();
}

std::atomic<pid_t> serve_pid{0};
std::atomic<bool> asked_to_stop{false};
void pass_on(int) {
  asked_to_stop = true;
  if (const pid_t pid = serve_pid) ::kill(pid, SIGTERM);
}

pid_t start_serve(const std::string& file) {
  const pid_t child = ::fork();
  if (child != 0) return child;
  ::execl("/proc/self/exe", "sekisho", "serve", "-c", file.c_str(), static_cast<char*>(nullptr));
  std::_Exit(127);
}

int wait_serve(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 2;
}

}  // namespace

int lab(const Arguments& arguments) {
  std::string verb, file, mailbox, folder;
  bool once = false, json = false;
  Cli cli("lab",
          "run: starts the server of a config, sends the lab's mails (or a mailbox of yours) through its gate, prints "
          "what happened.",
          "  sekisho lab run -c etc/first-run.toml --once\n  sekisho lab run -c etc/first-run.toml --mail ~/Maildir");
  cli.positional("VERB", verb, "run");
  cli.text("-c,--config", file, "the config of the server", true);
  cli.text("--lab", folder, "folder with lab.toml; lab/ beside the config when left out");
  cli.text("--mail", mailbox, "send this mbox file or folder instead of the lab's mails");
  cli.flag("--once", once, "stop after the table: 1 when a line differs");
  cli.flag("--json", json, "the summary as one JSON document on standard output");
  if (const auto status = cli.parse(arguments)) return *status;
  if (verb != "run") return cli.usage_error("there is no verb '" + verb + "': run");
  auto settings = load_settings(file);
  if (!settings) return tell_problems(settings.error()), 2;
  if (folder.empty()) folder = std::filesystem::path(file).parent_path() / "lab";
  auto lines = mailbox.empty() ? read_lab(folder + "/lab.toml") : read_mailbox(mailbox, *settings);
  if (!lines) return cli.usage_error(lines.error());
  Run run;
  run.lines = std::move(*lines);

  struct sigaction action {};
  action.sa_handler = pass_on;
  ::sigaction(SIGTERM, &action, nullptr);
  ::sigaction(SIGINT, &action, nullptr);
  const pid_t child = start_serve(file);
  if (child < 0) return cli.usage_error("the server cannot be started");
  serve_pid = child;
  if (!io::run(wait_ready(settings->control_socket, child))) {
    ::kill(child, SIGTERM);
    return asked_to_stop ? 0 : 2;  // it has said itself what was wrong
  }
  io::run(send_all(*settings, run));
  const bool judged = mailbox.empty();
  if (!json) print_table(run, judged);
  const bool written = write_summary(run, std::filesystem::path(settings->state_dir).parent_path());
  if (json)
    print_json(boost::json::object{{"mails", run.lines.size()},
                                   {"as_expected", run.as_expected},
                                   {"delivered", run.delivered},
                                   {"refused", run.refused},
                                   {"ledger_verified", run.verified}});
  const bool good = written && run.verified && (!judged || run.as_expected == run.lines.size());
  std::fflush(stdout);
  if (once)
    ::kill(child, SIGTERM);
  else if (!asked_to_stop)
    std::fprintf(stderr, "still serving on %s; Ctrl-C ends it\n", settings->mx.front().text().c_str());
  const int ended = wait_serve(child);
  if (!once) return ended;
  return good ? ended : 1;
}

}  // namespace sekisho::cmd
