#include "transfer/probe.h"

#include <gtest/gtest.h>

#include "base/core/text.h"
#include "transfer/fake_hop.h"

namespace sekisho::transfer {
namespace {
using core::Task;
using Answered = ProbeAnswer::Kind;

FakeHop::Script users() {
  return [](const std::string& line, int) {
    if (core::istarts_with(line, "RCPT TO:<no")) return say("550 5.1.1 unknown");
    if (core::istarts_with(line, "RCPT TO:<later")) return say("450 4.2.1 later");
    return Answer{"usual"};
  };
}

TEST(Probe, AsksAndRemembers) {
  struct T {
    static Task<void> go(bool pipelining) {
      auto hop = FakeHop::start(users());
      hop->pipelining = pipelining;
      NextHop next(hop->options(), bench().clock, bench().random, bench().pool);
      for (int i = 0; i < 3; ++i) {
        auto yes = co_await next.probe("user@dest.example");
        EXPECT_EQ(yes.kind, Answered::kExists);
        auto no = co_await next.probe("nobody@dest.example");
        EXPECT_EQ(no.kind, Answered::kUnknown);
        EXPECT_EQ(no.reply.enhanced, "5.1.1");
      }
      EXPECT_EQ(next.stats().probes, 2u);
      EXPECT_EQ(next.stats().probe_hits, 4u);
      auto later = co_await next.probe("later@dest.example");
      auto again = co_await next.probe("later@dest.example");
      EXPECT_EQ(later.kind, Answered::kTemporary);
      EXPECT_EQ(again.reply.code, 450);
      EXPECT_EQ(next.stats().probes, 4u);
      EXPECT_EQ(hop->connections, 1);
      EXPECT_TRUE(hop->messages.empty());
      EXPECT_EQ(hop->lines[1], "MAIL FROM:<>");
      EXPECT_EQ(hop->lines[3], "RSET");
      EXPECT_TRUE(next.capabilities()->eight_bit_mime);
      auto bad = co_await next.probe("a@b\r\nDATA");
      EXPECT_EQ(bad.kind, Answered::kUnknown);
      hop->stop();
    }
  };
  io::run(T::go(true));
  io::run(T::go(false));
}

TEST(Probe, LeavesASessionAfterTenRefusals) {
  struct T {
    static Task<void> go() {
      auto hop = FakeHop::start(users());
      NextHop next(hop->options(), bench().clock, bench().random, bench().pool);
      for (int i = 0; i < 35; ++i) {
        auto no = co_await next.probe("no" + std::to_string(i) + "@dest.example");
        EXPECT_EQ(no.kind, Answered::kUnknown);
      }
      EXPECT_EQ(hop->connections, 4);
      hop->stop();
    }
  };
  io::run(T::go());
}

TEST(Probe, NeedsNoMoreThanTwoSessions) {
  struct T {
    static Task<void> go() {
      auto hop = FakeHop::start(users());
      NextHop next(hop->options(), bench().clock, bench().random, bench().pool);
      std::vector<Task<ProbeAnswer>> tasks;
      for (int i = 0; i < 30; ++i) tasks.push_back(next.probe("user" + std::to_string(i) + "@dest.example"));
      auto answers = co_await core::when_all(std::move(tasks));
      for (const auto& answer : answers) EXPECT_EQ(answer.kind, Answered::kExists);
      EXPECT_LE(hop->connections, 2);
      hop->stop();
    }
  };
  io::run(T::go());
}

TEST(Probe, FaultsAreTemporary) {
  struct T {
    static Task<void> go() {
      for (const auto after : {Answer::After::kClose, Answer::After::kReset, Answer::After::kHalfClose}) {
        for (const std::string verb : {"EHLO", "MAIL", "RCPT", "RSET"}) {
          auto hop = FakeHop::start([=](const std::string& line, int) {
            return core::istarts_with(line, verb) ? hang_up(after) : Answer{"usual"};
          });
          NextHop next(hop->options(), bench().clock, bench().random, bench().pool);
          auto answer = co_await next.probe("user@dest.example");
          EXPECT_EQ(answer.kind, Answered::kTemporary) << verb;
          EXPECT_TRUE(answer.reply.temporary());
          hop->stop();
        }
      }
      auto hop = FakeHop::start([](const std::string& line, int) {
        return core::istarts_with(line, "MAIL") ? say("550 5.7.1 no null senders") : Answer{"usual"};
      });
      NextHop next(hop->options(), bench().clock, bench().random, bench().pool);
      auto answer = co_await next.probe("user@dest.example");
      EXPECT_EQ(answer.kind, Answered::kTemporary);
      EXPECT_TRUE(answer.reply.temporary());
      hop->stop();
    }
  };
  io::run(T::go());
}

TEST(Survey, TellsWhatTheNextHopAccepts) {
  struct T {
    static Task<Survey> of(FakeHop::Script script) {
      auto hop = FakeHop::start(std::move(script));
      NextHop next(hop->options(), bench().clock, bench().random, bench().pool);
      auto survey = co_await next.survey("dest.example");
      hop->stop();
      co_return survey;
    }
  };
  const auto open = io::run(T::of({}));
  EXPECT_TRUE(open.reachable && open.accepts_foreign_rcpt && open.accepts_random_rcpt);
  const auto strict = io::run(T::of([](const std::string& line, int) {
    return core::istarts_with(line, "RCPT") ? say("550 5.1.1 unknown") : Answer{"usual"};
  }));
  EXPECT_TRUE(strict.reachable);
  EXPECT_FALSE(strict.accepts_foreign_rcpt || strict.accepts_random_rcpt);
  const auto half = io::run(T::of([](const std::string& line, int) {
    return core::istarts_with(line, "RCPT") && line.find("@example.com") != std::string::npos ? say("554 5.7.1 relay")
                                                                                              : Answer{"usual"};
  }));
  EXPECT_FALSE(half.accepts_foreign_rcpt);
  EXPECT_TRUE(half.accepts_random_rcpt);
  const auto gone = io::run(T::of(
      [](const std::string& line, int) { return line.empty() ? hang_up(Answer::After::kClose) : Answer{"usual"}; }));
  EXPECT_FALSE(gone.reachable);
  EXPECT_TRUE(gone.failure.temporary());
}

TEST(AnswerCache, ForgetsAndIsBounded) {
  AnswerCache cache(30);
  cache.insert("a", {Answered::kExists, {}});
  EXPECT_NE(cache.find("a"), nullptr);
  EXPECT_EQ(cache.find("b"), nullptr);
  usleep(50'000);
  EXPECT_EQ(cache.find("a"), nullptr);
}

}  // namespace
}  // namespace sekisho::transfer
