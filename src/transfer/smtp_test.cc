// The SMTP and LMTP client against next hops that behave, refuse, stall and vanish.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "../tests/support/self_signed.h"
#include "base/core/text.h"
#include "transfer/fake_hop.h"
#include "transfer/mails_test.h"

namespace sekisho::transfer {
namespace {
TEST(Smtp, DeliversByteExactInTwoWrites) {
  const Ran run = go();
  ASSERT_EQ(run.outcomes.size(), 1u);
  EXPECT_EQ(run.outcomes[0].outcome, Outcome::kDelivered);
  EXPECT_EQ(run.outcomes[0].queue_id, "4XyZ12abc");
  EXPECT_EQ(run.outcomes[0].reply.code, 250);
  ASSERT_EQ(run.hop->messages.size(), 1u);
  EXPECT_EQ(unstuff(run.hop->messages[0]), kMail);
  const std::vector<std::string> want{
      "EHLO gate.example", "MAIL FROM:<a..b.@sender.example> SIZE=" + std::to_string(kMail.size()) + " BODY=8BITMIME",
      "RCPT TO:<user@dest.example>", "DATA"};
  EXPECT_EQ(run.hop->lines, want);
  EXPECT_EQ(run.hop->reads, 3u);  // EHLO, the envelope, the message
}

TEST(Smtp, WithoutPipeliningOneByOne) {
  const Ran run = go({}, envelope({"a@dest.example", "b@dest.example"}), 2, Kind::kSmtp,
                     [](FakeHop& hop, Options&) { hop.pipelining = false; });
  EXPECT_EQ(run.outcomes[1].outcome, Outcome::kDelivered);
  EXPECT_EQ(run.hop->messages.size(), 2u);
  EXPECT_EQ(run.hop->connections, 1);
  EXPECT_EQ(run.hop->reads, 1u + 2 * 5);
}

TEST(Smtp, FallsBackToHelo) {
  const Ran run = go(on("EHLO", say("502 5.5.1 what?")));
  EXPECT_EQ(run.outcomes[0].outcome, Outcome::kDelivered);
  EXPECT_EQ(run.hop->lines[1], "HELO gate.example");
  EXPECT_EQ(run.hop->lines[2], "MAIL FROM:<a..b.@sender.example>");
}

// What waits for our answer has its own time: then a mail is undelivered before its dot, unknown after it.
TEST(Smtp, NoWaitGoesBeyondTheEndOfTheMailsTime) {
  struct Case {
    const char *verb, *reply;
    Outcome outcome;
    std::size_t messages;
  };
  for (const bool pipelining : {true, false})
    for (const Case& c : {Case{"", "220 hop", Outcome::kTemporary, 0}, Case{"EHLO", "250 hop", Outcome::kTemporary, 0},
                          Case{"RCPT", "250 2.1.5 Ok", Outcome::kTemporary, 0},
                          Case{"DATA", "354 go", Outcome::kTemporary, 0}, Case{".", "250 Ok", Outcome::kUnknown, 1}}) {
      Answer slow = say(c.reply);
      slow.delay_ms = 400;
      const auto script = on(c.verb, slow);
      Envelope mail = envelope({"a@dest.example", "b@dest.example"});
      mail.until_ms = io::now_ms() + 300;  // of each case
      const Ran run = go(script, mail, 1, Kind::kSmtp, [=](FakeHop& hop, Options&) { hop.pipelining = pipelining; });
      for (const auto& each : run.outcomes) EXPECT_EQ(each.outcome, c.outcome) << c.verb << pipelining;
      EXPECT_EQ(run.hop->messages.size(), c.messages) << c.verb << pipelining;
    }
  Envelope past = envelope();
  past.until_ms = io::now_ms() - 1;
  EXPECT_EQ(go({}, past).outcomes[0].outcome, Outcome::kTemporary);
  EXPECT_EQ(go().outcomes[0].outcome, Outcome::kDelivered);
}

TEST(Smtp, AReplyBeforeTheFinalDotIsNoneToIt) {
  const Ran early = go(on("DATA", say("354 go\r\n250 2.0.0 Ok: queued as EARLY1")));
  EXPECT_EQ(early.outcomes[0].outcome, Outcome::kTemporary);
  EXPECT_EQ(early.outcomes[0].reply.enhanced, "4.5.0");
  EXPECT_TRUE(early.hop->messages.empty());
  const Ran refused = go(on("DATA", say("354 go\r\n552 5.3.4 Too big")));
  EXPECT_EQ(refused.outcomes[0].outcome, Outcome::kRefused);
  EXPECT_EQ(refused.outcomes[0].reply.code, 552);
  EXPECT_TRUE(refused.hop->messages.empty());
}

TEST(Smtp, OneReplyTooManyEndsTheSession) {
  const Ran run = go(on(".", say("250 2.0.0 Ok\r\n550 5.7.1 and more")), envelope(), 3);
  for (const Outcomes& outcomes : run.all) EXPECT_EQ(outcomes[0].outcome, Outcome::kDelivered);
  EXPECT_EQ(run.hop->connections, 3);
}

TEST(Smtp, KeepsSessionsUpToAHundredUses) {
  const Ran run = go({}, envelope(), 201);
  EXPECT_EQ(run.hop->messages.size(), 201u);
  EXPECT_EQ(run.hop->connections, 3);
  EXPECT_EQ(run.stats.connects, 3u);
  EXPECT_EQ(run.stats.reuses, 198u);
}

TEST(Smtp, RefusalsArePassedOnAndTheSessionIsKept) {
  struct Case {
    const char* verb;
    const char* reply;
    Outcome outcome;
  };
  for (const Case& c :
       {Case{"MAIL", "550 5.7.1 no", Outcome::kRefused}, Case{"MAIL", "451 4.7.1 later", Outcome::kTemporary},
        Case{"RCPT", "550 5.1.1 unknown", Outcome::kRefused}, Case{"RCPT", "450 4.2.0 greylisted", Outcome::kTemporary},
        Case{"DATA", "554 5.5.1 no", Outcome::kRefused}, Case{"DATA", "452 4.3.1 full", Outcome::kTemporary},
        Case{".", "554 5.7.1 spam", Outcome::kRefused}, Case{".", "451 4.3.0 later", Outcome::kTemporary}}) {
    for (const bool pipelining : {true, false}) {
      // After a refused MAIL the rest of the group is out of sequence.
      const auto script = [=](const std::string& line, int) {
        if (core::istarts_with(line, c.verb)) return say(c.reply);
        const bool late = core::istarts_with(line, "RCPT") || core::istarts_with(line, "DATA");
        return c.verb == std::string("MAIL") && late ? say("503 5.5.1 need MAIL") : Answer{"usual"};
      };
      const auto adjust = [=](FakeHop& hop, Options&) { hop.pipelining = pipelining; };
      const Ran run = go(script, envelope(), 2, Kind::kSmtp, adjust);
      for (const Outcomes& outcomes : run.all) {
        EXPECT_EQ(outcomes[0].outcome, c.outcome) << c.verb << " " << c.reply;
        EXPECT_EQ(outcomes[0].reply.code, std::atoi(c.reply));
        EXPECT_EQ(outcomes[0].reply.enhanced, std::string(c.reply).substr(4, 5));
      }
      EXPECT_EQ(run.hop->connections, 1) << c.verb << " " << c.reply;
    }
  }
}

TEST(Smtp, ANextHopThatRefusesMailButWantsDataGetsNone) {
  const Ran run = go(on("MAIL", say("550 5.7.1 no")), envelope(), 2);
  for (const Outcomes& outcomes : run.all) EXPECT_EQ(outcomes[0].outcome, Outcome::kRefused);
  EXPECT_TRUE(run.hop->messages.empty());
  EXPECT_EQ(run.hop->connections, 2);
}

TEST(Smtp, MixedRecipients) {
  const auto script = on("RCPT TO:<bad", say("550 5.1.1 unknown"));
  const Ran run = go(script, envelope({"a@dest.example", "bad@dest.example", "c@dest.example"}));
  EXPECT_EQ(run.outcomes[0].outcome, Outcome::kDelivered);
  EXPECT_EQ(run.outcomes[1].outcome, Outcome::kRefused);
  EXPECT_EQ(run.outcomes[1].reply.enhanced, "5.1.1");
  EXPECT_EQ(run.outcomes[2].outcome, Outcome::kDelivered);
}

TEST(Smtp, EveryRecipientRefusedBut354SendsTheDotAlone) {
  const Ran run = go(on("RCPT", say("550 5.1.1 unknown")));
  EXPECT_EQ(run.outcomes[0].outcome, Outcome::kRefused);
  EXPECT_EQ(run.outcomes[0].reply.enhanced, "5.1.1");
  ASSERT_EQ(run.hop->messages.size(), 1u);
  EXPECT_EQ(run.hop->messages[0], "");
}

TEST(Smtp, ANewSessionThatBreaksBeforeTheDotIsTemporary) {
  for (const After how : {After::kClose, After::kReset, After::kHalfClose}) {
    for (const char* verb : {"", "EHLO", "MAIL", "RCPT", "DATA"}) {
      const Ran run = go(on(verb, hang_up(how)));
      EXPECT_EQ(run.outcomes[0].outcome, Outcome::kTemporary) << verb;
      EXPECT_TRUE(run.outcomes[0].reply.temporary());
      EXPECT_EQ(run.hop->connections, 1) << "no retry on a new session";
      EXPECT_TRUE(run.hop->messages.empty());
    }
  }
}

TEST(Smtp, AReusedSessionThatBreaksBeforeTheDotIsRetriedOnce) {
  for (const After how : {After::kClose, After::kReset, After::kHalfClose}) {
    for (const char* verb : {"MAIL", "RCPT", "DATA"}) {
      // The first mail goes well; the second one finds the old session broken.
      auto calls = std::make_shared<int>(0);
      const auto script = [=](const std::string& line, int connection) {
        const bool mine = core::istarts_with(line, verb) && connection == 1 && ++*calls == 2;
        return mine ? hang_up(how) : Answer{"usual"};
      };
      const Ran run = go(script, envelope(), 2);
      EXPECT_EQ(run.outcomes[0].outcome, Outcome::kDelivered) << verb;
      EXPECT_EQ(run.hop->messages.size(), 2u);
      EXPECT_EQ(run.hop->connections, 2);
      EXPECT_EQ(run.stats.retries, 1u);
    }
  }
}

TEST(Smtp, ARetryIsNotRetried) {
  auto mails_seen = std::make_shared<int>(0);
  const auto script = [=](const std::string& line, int) {
    if (core::istarts_with(line, "MAIL") && ++*mails_seen >= 2) return hang_up(After::kClose);
    return Answer{"usual"};
  };
  const Ran run = go(script, envelope(), 2);
  EXPECT_EQ(run.outcomes[0].outcome, Outcome::kTemporary);
  EXPECT_EQ(run.hop->connections, 2);
}

TEST(Smtp, AfterTheDotNothingIsTriedAgain) {
  for (const After how : {After::kClose, After::kReset, After::kHalfClose}) {
    for (const int count : {1, 2}) {
      auto dots = std::make_shared<int>(0);
      const auto script = [=](const std::string& line, int) {
        return line == "." && ++*dots == count ? hang_up(how) : Answer{"usual"};
      };
      const Ran run = go(script, envelope(), count);
      EXPECT_EQ(run.outcomes[0].outcome, Outcome::kUnknown);
      EXPECT_TRUE(run.outcomes[0].reply.temporary());
      EXPECT_EQ(run.hop->messages.size(), static_cast<std::size_t>(count));
      EXPECT_EQ(run.hop->connections, 1);
      EXPECT_EQ(run.stats.unknowns, 1u);
    }
  }
}

TEST(Smtp, SlowRepliesTimeOut) {
  const auto hurry = [](FakeHop&, Options& options) { options.timeout_ms = 80; };
  for (const char* verb : {"", "EHLO", "MAIL", "RCPT", "DATA"}) {
    Answer slow = say("250 late");
    slow.delay_ms = 300;
    const Ran run = go(on(verb, slow), envelope(), 1, Kind::kSmtp, hurry);
    EXPECT_EQ(run.outcomes[0].outcome, Outcome::kTemporary) << verb;
    EXPECT_EQ(run.outcomes[0].reply.enhanced, "4.4.2");
  }
  Answer slow = say("250 late");
  slow.delay_ms = 300;
  const Ran run = go(on(".", slow), envelope(), 2, Kind::kSmtp, hurry);
  EXPECT_EQ(run.outcomes[0].outcome, Outcome::kUnknown);
  EXPECT_EQ(run.hop->connections, 2) << "a late 250 must not be read as the next mail's reply";
}

TEST(Smtp, A421OnAKeptSessionMeansAFreshOne) {
  auto seen = std::make_shared<int>(0);
  const auto script = [=](const std::string& line, int) {
    if (core::istarts_with(line, "MAIL") && ++*seen == 2) return Answer{"421 4.4.2 idle too long\r\n", After::kClose};
    return Answer{"usual"};
  };
  const Ran run = go(script, envelope(), 2);
  EXPECT_EQ(run.outcomes[0].outcome, Outcome::kDelivered);
  EXPECT_EQ(run.hop->connections, 2);
}

TEST(Smtp, GreetingThatRefusesUsIsTemporary) {
  const Ran refused = go(on("", say("554 5.7.1 go away")));
  EXPECT_EQ(refused.outcomes[0].outcome, Outcome::kTemporary);
  const Ran later = go(on("", say("421 4.3.2 busy")));
  EXPECT_EQ(later.outcomes[0].outcome, Outcome::kTemporary);
  EXPECT_EQ(later.outcomes[0].reply.code, 421);
  const Ran nonsense = go(on("", say("SSH-2.0-OpenSSH")));
  EXPECT_EQ(nonsense.outcomes[0].outcome, Outcome::kTemporary);
}

TEST(Smtp, NobodyListens) {
  const Ran run = go({}, envelope(), 1, Kind::kSmtp, [](FakeHop&, Options& options) { options.address.port = 1; });
  EXPECT_EQ(run.outcomes[0].outcome, Outcome::kTemporary);
  EXPECT_EQ(run.outcomes[0].reply.enhanced, "4.4.1");
}

TEST(Smtp, TooBigForTheNextHopIsNotOffered) {
  Envelope big = envelope();
  big.size_bytes = 20'000'000;
  const Ran run = go({}, big);
  EXPECT_EQ(run.outcomes[0].outcome, Outcome::kRefused);
  EXPECT_EQ(run.outcomes[0].reply.code, 552);
  EXPECT_TRUE(run.hop->messages.empty());
}

TEST(Smtp, AddressesThatCouldInjectNeverGoOut) {
  for (const char* bad :
       {"a@b\r\nRSET", "a\n@b", "\x01@b", "", "a> NOTIFY=NEVER@b", "a b@c", "\"a@b", "\"a\\\"@b", "\"a\\\r\"@b"}) {
    const Ran run = go({}, envelope({bad}));
    EXPECT_EQ(run.outcomes[0].outcome, Outcome::kRefused);
    EXPECT_EQ(run.hop->connections, 0);
  }
}

TEST(Smtp, QuotedLocalPartsGoOutAsTheyCame) {
  const Ran run = go({}, envelope({"\"a > b\\\"c\"@dest.example"}));
  EXPECT_EQ(run.outcomes[0].outcome, Outcome::kDelivered);
  EXPECT_EQ(run.hop->lines[2], "RCPT TO:<\"a > b\\\"c\"@dest.example>");
}

TEST(Smtp, ABigMessageArrivesWhole) {
  struct T {
    static Task<void> go() {
      auto hop = FakeHop::start();
      NextHop next(hop->options(), bench().clock, bench().random, bench().pool);
      std::string big = "Subject: big\r\n\r\n";
      while (big.size() < 3'000'000) big += ".a line that begins with a dot " + std::to_string(big.size()) + "\r\n";
      auto outcomes = co_await relay(next, envelope(), big);
      EXPECT_EQ(outcomes[0].outcome, Outcome::kDelivered);
      EXPECT_TRUE(unstuff(hop->messages.at(0)) == big);
      hop->stop();
    }
  };
  io::run(T::go());
}

// A next hop that stops reading in the middle of a big message on its connection `broken`, perhaps with a word.
struct Choke {
  std::string word;
  int broken;
  int data_seen = 0;
};
Task<Ran> choked(std::shared_ptr<Choke> choke) {
  auto bound = io::Listener::bind(*io::Endpoint::parse("127.0.0.1:0"));
  struct T {
    static Task<void> session(std::shared_ptr<Choke> choke, int fd, int connection) {
      io::Socket socket(fd);
      co_await socket.write("220 x\r\n", io::now_ms() + 20000);
      std::string input;
      std::vector<char> buffer(4096);
      bool data = false;
      for (int message = 0;;) {
        auto got = co_await socket.read(buffer, io::now_ms() + 20000);
        if (!got) co_return;
        input.append(buffer.data(), *got);
        if (data && connection == choke->broken && (choke->broken > 1 || message == 2)) {
          if (!choke->word.empty()) co_await socket.write(choke->word, io::now_ms() + 20000);
          const linger hard{1, 0};
          if (choke->word.empty()) setsockopt(socket.fd(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
          co_return;
        }
        std::string answer;
        for (std::size_t end; (end = input.find("\r\n")) != std::string::npos; input.erase(0, end + 2)) {
          const std::string line = input.substr(0, end);
          if (data && line != ".") continue;
          if (core::istarts_with(line, "EHLO"))
            answer += "250-x\r\n250 PIPELINING\r\n";
          else if (line == "DATA")
            answer += "354 go\r\n";
          else
            answer += "250 2.0.0 Ok\r\n";
          message += line == "DATA";
          data = line == "DATA";
          if (line == ".") ++choke->data_seen;
        }
        if (!answer.empty()) co_await socket.write(answer, io::now_ms() + 20000);
      }
    }
    static Task<void> serve(std::shared_ptr<io::Listener> listener, std::shared_ptr<Choke> choke) {
      for (int connection = 1;; ++connection) {
        auto fd = co_await listener->accept();
        if (!fd) co_return;
        io::spawn(session(choke, *fd, connection));
      }
    }
  };
  auto listener = std::make_shared<io::Listener>(std::move(*bound));
  io::spawn(T::serve(listener, choke));
  Options options;
  options.address = listener->local();
  options.timeout_ms = 2000;
  NextHop next(options, bench().clock, bench().random, bench().pool);
  std::string big = "Subject: big\r\n\r\n";
  while (big.size() < 12'000'000) big += "0123456789012345678901234567890123456789012345678901234567890123456789\r\n";
  Ran ran;
  for (int i = 0; i < 2; ++i) {
    auto outcomes = co_await relay(next, envelope(), big);
    ran.all.push_back(std::move(outcomes));
  }
  ran.stats = next.stats();
  listener->cancel();
  co_return ran;
}

TEST(Smtp, ABreakInsideTheMessageIsRetriedOnlyOnAReusedSession) {
  auto once = std::make_shared<Choke>(Choke{"", 1});
  const Ran retried = io::run(choked(once));
  EXPECT_EQ(retried.all[0][0].outcome, Outcome::kDelivered);
  EXPECT_EQ(retried.all[1][0].outcome, Outcome::kDelivered);
  EXPECT_EQ(retried.stats.retries, 1u);
  EXPECT_EQ(once->data_seen, 2);
}

TEST(Smtp, WhatTheNextHopSaysInsideTheMessageIsTheOutcome) {
  auto choke = std::make_shared<Choke>(Choke{"552 5.3.4 too big\r\n", 1});
  const Ran ran = io::run(choked(choke));
  EXPECT_EQ(ran.all[1][0].outcome, Outcome::kRefused);
  EXPECT_EQ(ran.all[1][0].reply.enhanced, "5.3.4");
  EXPECT_EQ(ran.stats.retries, 0u);
}

TEST(Smtp, UnsentTransactionDeliversNothing) {
  struct T {
    static Task<void> go() {
      auto hop = FakeHop::start();
      NextHop next(hop->options(), bench().clock, bench().random, bench().pool);
      {
        auto transaction = co_await next.open(envelope());
        EXPECT_TRUE(transaction.any_accepted());
        EXPECT_EQ(next.stats().sessions_open, 1u);
      }
      EXPECT_EQ(next.stats().sessions_open, 0u);
      co_await io::sleep_until(io::now_ms() + 20);
      EXPECT_TRUE(hop->messages.empty());
      EXPECT_EQ(hop->open, 0);
      hop->stop();
    }
  };
  io::run(T::go());
}

TEST(Smtp, SessionsAreLimitedAndHandedOn) {
  struct T {
    static Task<void> go() {
      auto hop = FakeHop::start();
      Options options = hop->options();
      options.sessions_count = 3;
      NextHop next(options, bench().clock, bench().random, bench().pool);
      std::vector<Task<Outcomes>> tasks;
      for (int i = 0; i < 50; ++i) tasks.push_back(relay(next, envelope(), kMail));
      auto all = co_await core::when_all(std::move(tasks));
      for (const auto& outcomes : all) EXPECT_EQ(outcomes[0].outcome, Outcome::kDelivered);
      EXPECT_EQ(hop->connections, 3);
      EXPECT_EQ(hop->messages.size(), 50u);
      next.close_idle();
      EXPECT_EQ(next.stats().sessions_open, 0u);
      hop->stop();
    }
  };
  io::run(T::go());
}

TEST(StartTls, IsUsedWhenOfferedAndFallsBackOnlyWhenOpportunistic) {
  const test::SelfSigned files("hop.example");
  const auto context = *io::TlsContext::server(files.certificate, files.key);
  const auto with_tls = [&](FakeHop& hop, Options&) { hop.tls = context; };
  const Ran good = go({}, envelope(), 2, Kind::kSmtp, with_tls);
  EXPECT_EQ(good.outcomes[0].outcome, Outcome::kDelivered);
  EXPECT_EQ(good.hop->lines[1], "STARTTLS");
  EXPECT_EQ(good.hop->lines[2], "EHLO gate.example");
  EXPECT_EQ(good.hop->connections, 1) << "session tickets are not unexpected data";

  const auto required = [&](FakeHop& hop, Options& options) {
    hop.tls = context;
    options.tls = Tls::kRequired;
    options.tls_context = *io::TlsContext::verifying_client(files.certificate);
    options.tls_name = "hop.example";
  };
  EXPECT_EQ(go({}, envelope(), 1, Kind::kSmtp, required).outcomes[0].outcome, Outcome::kDelivered);
  const auto wrong_name = [&](FakeHop& hop, Options& options) {
    required(hop, options);
    options.tls_name = "other.example";
  };
  const Ran wrong = go({}, envelope(), 1, Kind::kSmtp, wrong_name);
  EXPECT_EQ(wrong.outcomes[0].outcome, Outcome::kTemporary);
  EXPECT_EQ(wrong.outcomes[0].reply.enhanced, "4.7.5");
  EXPECT_TRUE(wrong.hop->messages.empty());
  const auto not_offered = [](FakeHop&, Options& options) { options.tls = Tls::kRequired; };
  EXPECT_EQ(go({}, envelope(), 1, Kind::kSmtp, not_offered).outcomes[0].outcome, Outcome::kTemporary);
  const Ran fallback = go(on("STARTTLS", say("454 4.7.0 not now")), envelope(), 1, Kind::kSmtp, with_tls);
  EXPECT_EQ(fallback.outcomes[0].outcome, Outcome::kDelivered);
  EXPECT_EQ(fallback.hop->connections, 2);
}

TEST(StartTls, RepliesInjectedInTheClearAreNotBelieved) {
  const test::SelfSigned files("hop.example");
  const auto adjust = [&](FakeHop& hop, Options& options) {
    hop.tls = *io::TlsContext::server(files.certificate, files.key);
    hop.inject_after_starttls = "250-evil\r\n250 SIZE 1\r\n";
    options.tls = Tls::kRequired;
  };
  const Ran run = go({}, envelope(), 1, Kind::kSmtp, adjust);
  EXPECT_EQ(run.outcomes[0].outcome, Outcome::kTemporary);
  EXPECT_TRUE(run.hop->messages.empty());
}

}  // namespace
}  // namespace sekisho::transfer
