// What goes to the next hop about a mail: what it offers, and never less than the client was promised.
#include "transfer/envelope.h"

#include <gtest/gtest.h>

#include "../tests/support/self_signed.h"
#include "transfer/mails_test.h"

namespace sekisho::transfer {
namespace {

// A hop that also offers these.
FakeHop::Script offering(const std::string& more, int from = 1, int to = 99) {
  return on("EHLO",
            say("250-hop.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SIZE 10485760\r\n" + more +
                "250 ENHANCEDSTATUSCODES"),
            from, to);
}

Envelope full() {
  Envelope out = envelope({"user@dest.example", "\xe5\x8f\x97@dest.example"});
  out.smtp_utf8 = true;
  out.ret = "HDRS";
  out.envid = "Q+2B1";
  out.rcpt_parameters = {{"SUCCESS,DELAY", "rfc822;u@dest.example"}, {"NEVER", ""}};
  return out;
}

TEST(Envelope, EverythingThatIsOffered) {
  const Ran run = go(offering("250-SMTPUTF8\r\n250-DSN\r\n"), full());
  EXPECT_EQ(run.outcomes[1].outcome, Outcome::kDelivered);
  const std::string size = std::to_string(kMail.size());
  const std::vector<std::string> want{
      "EHLO gate.example",
      "MAIL FROM:<a..b.@sender.example> SIZE=" + size + " BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=Q+2B1",
      "RCPT TO:<user@dest.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;u@dest.example",
      "RCPT TO:<\xe5\x8f\x97@dest.example> NOTIFY=NEVER", "DATA"};
  EXPECT_EQ(run.hop->lines, want);
}

void expect_told_to_come_again(const Ran& run, const std::string& enhanced) {
  for (const RcptOutcome& each : run.outcomes) {
    EXPECT_EQ(each.outcome, Outcome::kTemporary);
    EXPECT_EQ(each.reply.enhanced, enhanced);
  }
  EXPECT_TRUE(run.hop->messages.empty());
  EXPECT_EQ(run.hop->lines.size(), 1u);  // EHLO
}

TEST(Envelope, WhatTheHopNoLongerOffersIsNotDroppedInSilence) {
  expect_told_to_come_again(go(offering("250-DSN\r\n"), full()), "4.6.7");
  expect_told_to_come_again(go(offering("250-SMTPUTF8\r\n"), full()), "4.3.5");
  Envelope header = envelope();
  header.smtp_utf8 = header.utf8_header = true;
  expect_told_to_come_again(go(offering(""), header), "4.6.7");
  Envelope safe = envelope();
  safe.require_tls = true;
  expect_told_to_come_again(go(offering("250-REQUIRETLS\r\n"), safe), "4.7.30");  // in the clear
}

TEST(Envelope, AKeptSessionMayBeTooOld) {
  const auto two = []() -> Task<std::vector<RcptOutcome>> {
    auto hop = FakeHop::start(offering("250-DSN\r\n", 2));
    NextHop next(hop->options(), bench().clock, bench().random, bench().pool);
    Envelope mail = envelope();
    auto before = co_await relay(next, mail, kMail);
    EXPECT_EQ(before[0].outcome, Outcome::kDelivered);
    mail.envid = "x";
    auto outcomes = co_await relay(next, mail, kMail);
    EXPECT_EQ(hop->connections, 2);
    hop->stop();
    co_return outcomes;
  };
  EXPECT_EQ(io::run(two())[0].outcome, Outcome::kDelivered);
}

TEST(Envelope, RequireTlsOnlyToWhomTheCertificateProves) {
  const test::SelfSigned files("hop.example");
  const auto try_it = [&](bool proven) {
    Envelope safe = envelope();
    safe.require_tls = true;
    return go(offering("250-STARTTLS\r\n250-REQUIRETLS\r\n"), safe, 1, Kind::kSmtp,
              [&](FakeHop& hop, Options& options) {
                hop.tls = *io::TlsContext::server(files.certificate, files.key);
                if (proven) options.tls_context = *io::TlsContext::verifying_client(files.certificate);
                options.tls_name = "hop.example";
              });
  };
  const Ran good = try_it(true);
  EXPECT_EQ(good.outcomes[0].outcome, Outcome::kDelivered);
  EXPECT_TRUE(good.hop->lines[3].ends_with(" REQUIRETLS")) << good.hop->lines[3];
  const Ran unproven = try_it(false);
  EXPECT_EQ(unproven.outcomes[0].reply.enhanced, "4.7.30");
  EXPECT_TRUE(unproven.hop->messages.empty());
}

TEST(Envelope, AllAsciiNeedsNoSmtpUtf8) {
  Envelope mail = envelope();
  mail.smtp_utf8 = true;
  const Ran run = go(offering(""), mail);
  EXPECT_EQ(run.outcomes[0].outcome, Outcome::kDelivered);
  EXPECT_EQ(run.hop->lines[1].find("SMTPUTF8"), std::string::npos);
}

TEST(Envelope, LimitsAreKept) {
  const Ran run = go(offering("250-LIMITS FUTURE=1 RCPTMAX=2 MAILMAX=3 RCPTMAX=x\r\n"),
                     envelope({"a@dest.example", "b@dest.example", "c@dest.example"}), 7);
  EXPECT_EQ(run.hop->connections, 3);
  EXPECT_EQ(run.outcomes[1].outcome, Outcome::kDelivered);
  EXPECT_EQ(run.outcomes[2].outcome, Outcome::kTemporary);
  EXPECT_EQ(run.outcomes[2].reply.code, 452);
  for (const std::string& line : run.hop->lines) EXPECT_NE(line, "RCPT TO:<c@dest.example>");
  const Ran domains =
      go(offering("250-LIMITS RCPTDOMAINMAX=1\r\n"), envelope({"a@dest.example", "b@other.example", "c@DEST.example"}));
  EXPECT_EQ(domains.outcomes[0].outcome, Outcome::kDelivered);
  EXPECT_EQ(domains.outcomes[1].outcome, Outcome::kTemporary);
  EXPECT_EQ(domains.outcomes[2].outcome, Outcome::kDelivered);
}

Envelope from_client() {
  Envelope out = envelope();
  out.client = Client{"mail.sender.example", *core::IpAddress::parse("2001:db8::7"), 4711, "he lo=+\r\n", true, "abc"};
  return out;
}
const char* const kOffer = "250-XFORWARD NAME ADDR PROTO HELO SOURCE PORT IDENT\r\n";

TEST(Envelope, XforwardBeforeEachMail) {
  const auto wanted = [](FakeHop&, Options& options) { options.xforward = true; };
  for (const bool pipelining : {true, false}) {
    const auto script = [=](const std::string& line, int) {
      if (core::istarts_with(line, "EHLO"))
        return say("250-hop.example\r\n" + std::string(pipelining ? "250-PIPELINING\r\n" : "") + kOffer +
                   "250 8BITMIME");
      return core::istarts_with(line, "XFORWARD PROTO") ? say("501 5.5.4 what?") : Answer{"usual"};
    };
    const Ran run = go(script, from_client(), 2, Kind::kSmtp, wanted);
    for (const Outcomes& outcomes : run.all) EXPECT_EQ(outcomes[0].outcome, Outcome::kDelivered);
    const std::vector<std::string> want{
        "XFORWARD NAME=mail.sender.example ADDR=IPV6:2001:db8::7 PORT=4711 SOURCE=REMOTE",
        "XFORWARD PROTO=ESMTP IDENT=abc HELO=he+20lo+3D+2B+0D+0A"};
    ASSERT_GE(run.hop->lines.size(), 9u);
    EXPECT_EQ((std::vector<std::string>{run.hop->lines[1], run.hop->lines[2]}), want);
    EXPECT_TRUE(run.hop->lines[3].starts_with("MAIL"));
    EXPECT_EQ((std::vector<std::string>{run.hop->lines[6], run.hop->lines[7]}), want);
  }
}

TEST(Envelope, XforwardOnlyWhereWantedAndOffered) {
  const auto wanted = [](FakeHop&, Options& options) { options.xforward = true; };
  for (const Ran& run : {go(offering(kOffer), from_client()), go(offering(""), from_client(), 1, Kind::kSmtp, wanted)})
    for (const std::string& line : run.hop->lines) EXPECT_FALSE(line.starts_with("XFORWARD")) << line;
  const Client unknown{"", *core::IpAddress::parse("192.0.2.1"), 0, "", false, "x"};
  EXPECT_EQ(xforward_commands(unknown, kXforwardName | kXforwardAddr | kXforwardPort | kXforwardHelo),
            (std::vector<std::string>{"XFORWARD NAME=[UNAVAILABLE] ADDR=192.0.2.1 PORT=[UNAVAILABLE]\r\n",
                                      "XFORWARD HELO=[UNAVAILABLE]\r\n"}));
  EXPECT_TRUE(xforward_commands(unknown, 0).empty());
}

TEST(Envelope, ProbesOfUtf8Addresses) {
  const auto ask = [](const std::string& offer) {
    const auto probing = [](std::string more) -> Task<std::pair<ProbeAnswer, std::vector<std::string>>> {
      auto hop = FakeHop::start(offering(more));
      NextHop next(hop->options(), bench().clock, bench().random, bench().pool);
      auto answer = co_await next.probe("\xe5\x8f\x97@dest.example");
      hop->stop();
      co_return std::pair(answer, hop->lines);
    };
    return io::run(probing(offer));
  };
  const auto with = ask("250-SMTPUTF8\r\n"), without = ask("");
  EXPECT_EQ(with.first.kind, ProbeAnswer::Kind::kExists);
  EXPECT_EQ(with.second[1], "MAIL FROM:<> SMTPUTF8");
  EXPECT_EQ(without.first.kind, ProbeAnswer::Kind::kTemporary);
  EXPECT_EQ(without.second.size(), 1u);
}

TEST(Envelope, MeetsAHopOnce) {
  const auto meeting = []() -> Task<int> {
    auto hop = FakeHop::start(offering("250-SMTPUTF8\r\n"));
    NextHop next(hop->options(), bench().clock, bench().random, bench().pool);
    EXPECT_FALSE(next.capabilities());
    co_await next.meet();
    EXPECT_TRUE(next.capabilities() && next.capabilities()->smtp_utf8);
    co_await next.meet();
    hop->stop();
    co_return hop->connections;
  };
  EXPECT_EQ(io::run(meeting()), 1);
  const auto away = []() -> Task<bool> {
    auto hop = FakeHop::start();
    Options options = hop->options();
    hop->stop();
    hop.reset();
    NextHop next(options, bench().clock, bench().random, bench().pool);
    co_await next.meet();
    const std::int64_t before = io::now_ms();
    co_await next.meet();
    EXPECT_LT(io::now_ms() - before, 100);
    co_return next.capabilities().has_value();
  };
  EXPECT_FALSE(io::run(away()));
}

}  // namespace
}  // namespace sekisho::transfer
