#include "transfer/session_pool.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/core/text.h"
#include "transfer/fake_hop.h"

namespace sekisho::transfer {
namespace {
using core::Task;

std::shared_ptr<SessionPool> pool_to(const FakeHop& hop, PoolLimits limits) {
  return std::make_shared<SessionPool>(std::make_shared<const Options>(hop.options()), limits,
                                       std::make_shared<Stats>());
}

TEST(SessionPool, ClosesIdleSessionsWithQuit) {
  struct T {
    static Task<void> go() {
      auto hop = FakeHop::start();
      const PoolLimits limits{5, 100, 40};
      auto pool = pool_to(*hop, limits);
      for (int i = 0; i < 2; ++i) {
        auto lease = co_await pool->take(false);
        lease->keep();
      }
      EXPECT_EQ(hop->connections, 1);
      EXPECT_EQ(pool->open_count(), 1u);
      co_await io::sleep_until(io::now_ms() + 120);
      EXPECT_EQ(pool->open_count(), 0u);
      EXPECT_EQ(hop->open, 0);
      EXPECT_EQ(hop->lines.back(), "QUIT");
      // And again, after the sweep has ended.
      auto lease = co_await pool->take(false);
      lease->keep();
      co_await io::sleep_until(io::now_ms() + 120);
      EXPECT_EQ(pool->open_count(), 0u);
      hop->stop();
    }
  };
  io::run(T::go());
}

TEST(SessionPool, ASessionThatClosedOrSpokeUnaskedIsNotReused) {
  struct T {
    static Task<void> go(Answer late) {
      // The first session gets something after RSET's reply, while it is idle.
      auto hop = FakeHop::start([=](const std::string& line, int connection) {
        return connection == 1 && core::istarts_with(line, "NOOP") ? late : Answer{"usual"};
      });
      auto pool = pool_to(*hop, {});
      {
        auto lease = co_await pool->take(false);
        co_await (*lease)->write("NOOP\r\n", io::now_ms() + 1000);
        lease->keep();
      }
      co_await io::sleep_until(io::now_ms() + 30);
      auto second = co_await pool->take(false);
      EXPECT_TRUE(second.ok());
      EXPECT_FALSE(second->reused());
      EXPECT_EQ(hop->connections, 2);
      EXPECT_EQ(pool->open_count(), 1u);
      hop->stop();
    }
  };
  io::run(T::go(say("250 unasked")));
  io::run(T::go(hang_up(Answer::After::kClose)));
  io::run(T::go(hang_up(Answer::After::kReset)));
  io::run(T::go(hang_up(Answer::After::kHalfClose)));
}

TEST(SessionPool, SpeaksLmtpOverAUnixSocket) {
  struct T {
    static Task<void> go() {
      auto hop = FakeHop::start({}, "/tmp/sekisho-lmtp-test." + std::to_string(getpid()));
      NextHop next(hop->options(Kind::kLmtp), bench().clock, bench().random, bench().pool);
      Envelope envelope{"", {}, false, 0};
      envelope.rcpts.push_back("user@dest.example");
      for (int i = 0; i < 3; ++i) {
        auto outcomes = co_await relay(next, envelope, "Subject: x\r\n\r\nbody\r\n");
        EXPECT_EQ(outcomes[0].outcome, Outcome::kDelivered);
      }
      EXPECT_EQ(hop->connections, 1);
      EXPECT_EQ(hop->lines[1], "MAIL FROM:<>");
      hop->stop();
    }
  };
  io::run(T::go());
}

TEST(SessionPool, WaitingForATurnEndsInTime) {
  struct T {
    static Task<bool> one(std::shared_ptr<SessionPool> pool, int hold_ms) {
      auto lease = co_await pool->take(false);
      if (!lease) {
        EXPECT_EQ(lease.error().reply.enhanced, "4.3.2");
        co_return false;
      }
      co_await io::sleep_until(io::now_ms() + hold_ms);
      lease->keep();
      co_return true;
    }
    static Task<void> go() {
      auto hop = FakeHop::start();
      Options options = hop->options();
      options.timeout_ms = 100;
      const PoolLimits limits{1, 100, 30'000};
      auto pool =
          std::make_shared<SessionPool>(std::make_shared<const Options>(options), limits, std::make_shared<Stats>());
      std::vector<Task<bool>> tasks;
      for (const int hold : {30, 30, 200, 10}) tasks.push_back(one(pool, hold));
      auto got = co_await core::when_all(std::move(tasks));
      EXPECT_EQ(got, (std::vector<bool>{true, true, true, false}));
      EXPECT_EQ(hop->connections, 1);
      // A fresh session when all places are taken by idle ones: the oldest goes.
      auto fresh = co_await pool->take(true);
      EXPECT_TRUE(fresh.ok() && !fresh->reused());
      EXPECT_EQ(pool->open_count(), 1u);
      hop->stop();
    }
  };
  io::run(T::go());
}

}  // namespace
}  // namespace sekisho::transfer
