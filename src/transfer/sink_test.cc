// Against a real peer: smtp-sink of Postfix, as SMTP and as LMTP server.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "transfer/fake_hop.h"

namespace sekisho::transfer {
namespace {
constexpr const char* kSink = "/usr/sbin/smtp-sink";

class Sink {
 public:
  explicit Sink(bool lmtp) {
    // A port that was free a moment ago; smtp-sink cannot pick one itself.
    {
      io::Loop loop;
      port = io::Listener::bind(*io::Endpoint::parse("127.0.0.1:0"))->local().port;
    }
    const std::string at = "127.0.0.1:" + std::to_string(port);
    pid = fork();
    if (pid != 0) return;
    // smtp-sink refuses to keep the rights of root.
    if (lmtp)
      execl(kSink, kSink, "-L", "-u", "nobody", at.c_str(), "100", nullptr);
    else
      execl(kSink, kSink, "-8", "-u", "nobody", at.c_str(), "100", nullptr);
    _exit(127);
  }
  ~Sink() {
    kill(pid, SIGTERM);
    waitpid(pid, nullptr, 0);
  }
  std::uint16_t port = 0;
  pid_t pid = 0;
};

core::Task<int> deliver(Options options, int count) {
  NextHop hop(std::move(options), bench().clock, bench().random, bench().pool);
  for (int i = 0; i < 100; ++i) {
    auto survey = co_await hop.survey("dest.example");
    if (survey.reachable) break;
    co_await io::sleep_until(io::now_ms() + 20);
  }
  int delivered = 0;
  for (int i = 0; i < count; ++i) {
    Envelope envelope{"a@sender.example", {"user@dest.example", "user2@dest.example"}, true, 0};
    auto outcomes = co_await relay(hop, envelope, "Subject: x\r\n\r\n.\r\nbody\r\n");
    for (const auto& each : outcomes) delivered += each.outcome == Outcome::kDelivered;
  }
  co_return delivered;
}

TEST(SmtpSink, TakesOurMail) {
  if (access(kSink, X_OK) != 0) GTEST_SKIP() << kSink << " is not installed";
  for (const bool lmtp : {false, true}) {
    const Sink sink(lmtp);
    Options options;
    options.kind = lmtp ? Kind::kLmtp : Kind::kSmtp;
    options.address = *io::Endpoint::parse("127.0.0.1:" + std::to_string(sink.port));
    options.timeout_ms = 3000;
    EXPECT_EQ(io::run(deliver(options, 250)), 500) << (lmtp ? "LMTP" : "SMTP");
  }
}

}  // namespace
}  // namespace sekisho::transfer
