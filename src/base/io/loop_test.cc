#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <thread>

#include "base/io/io.h"

namespace sekisho::io {
namespace {
using core::Task;

TEST(Endpoint, ParsesAndPrints) {
  EXPECT_EQ(Endpoint::parse("127.0.0.1:25")->text(), "127.0.0.1:25");
  EXPECT_EQ(Endpoint::parse("[::1]:2525")->text(), "[::1]:2525");
  for (const char* bad :
       {"", ":", "1.2.3.4", "1.2.3.4:", "1.2.3.4:65536", "::1:25", "[1.2.3.4]:25", "[::1]", "a:25", "1.2.3.4:-1"})
    EXPECT_FALSE(Endpoint::parse(bad)) << bad;
}

TEST(Loop, RunGivesTheValueOfATask) {
  struct T {
    static Task<int> answer() {
      auto slept = co_await sleep_until(now_ms() + 5);
      co_return slept.ok() ? 42 : 0;
    }
  };
  EXPECT_EQ(run(T::answer()), 42);
}

TEST(Loop, SleepsEndInTheOrderOfTheirDeadlines) {
  struct T {
    static Task<int> one(int ms, std::vector<int>& order) {
      auto slept = co_await sleep_until(now_ms() + ms);
      EXPECT_TRUE(slept.ok());
      order.push_back(ms);
      co_return ms;
    }
    static Task<std::vector<int>> all(std::vector<int>& order) {
      std::vector<Task<int>> tasks;
      for (const int ms : {50, 10, 30, 20, 40, 1, 60}) tasks.push_back(one(ms, order));
      co_return co_await core::when_all(std::move(tasks));
    }
  };
  std::vector<int> order;
  const auto results = run(T::all(order));
  EXPECT_EQ(order, (std::vector<int>{1, 10, 20, 30, 40, 50, 60}));
  EXPECT_EQ(results, (std::vector<int>{50, 10, 30, 20, 40, 1, 60}));
}

TEST(Loop, StopCancelsEverythingAndRunReturns) {
  static int cancelled;
  cancelled = 0;
  struct T {
    static Task<void> sleeper() {
      auto slept = co_await sleep_until(kNoDeadline);
      if (!slept && slept.error() == IoError::kCancelled) ++cancelled;
      auto again = co_await sleep_until(now_ms() + 10000);  // a new wait on a stopping loop ends at once
      if (!again && again.error() == IoError::kCancelled) ++cancelled;
    }
    static Task<void> reader(Socket a) {
      char c[1];
      auto got = co_await a.read(c, kNoDeadline);
      if (!got && got.error() == IoError::kCancelled) ++cancelled;
    }
    static Task<void> start(std::shared_ptr<std::optional<Listener>> keep) {
      *keep = std::move(*Listener::bind(*Endpoint::parse("127.0.0.1:0")));
      auto near = co_await Socket::connect((*keep)->local(), now_ms() + 1000);
      spawn(reader(std::move(*near)));
    }
  };
  auto keep = std::make_shared<std::optional<Listener>>();
  Loop loop;
  for (int i = 0; i < 100; ++i) spawn(T::sleeper());
  spawn(T::start(keep));
  std::thread stopper([&loop] {
    usleep(50'000);
    loop.stop();
  });
  loop.run();
  stopper.join();
  EXPECT_EQ(cancelled, 201);
  EXPECT_EQ(loop.live_tasks(), 0u);
}

TEST(Loop, PostFromManyThreads) {
  Loop loop;
  int count = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i)
        loop.post([&] {
          if (++count == 4000) loop.stop();
        });
    });
  loop.run();
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(count, 4000);
}

TEST(Event, WakesAndResetsItself) {
  struct T {
    static Task<void> setter(std::shared_ptr<Event> event) {
      co_await sleep_until(now_ms() + 10);
      event->set();
    }
    static Task<void> go() {
      auto event = std::make_shared<Event>();
      event->set();
      auto first = co_await event->wait(now_ms() + 1000);
      EXPECT_TRUE(first.ok());
      auto none = co_await event->wait(now_ms() + 20);
      EXPECT_EQ(none.error(), IoError::kTimeout);
      spawn(setter(event));
      auto woken = co_await event->wait(now_ms() + 2000);
      EXPECT_TRUE(woken.ok());
    }
  };
  run(T::go());
}

TEST(Loop, ASocketMayBeDestroyedAfterItsLoop) {
  struct T {
    static Task<std::shared_ptr<Socket>> go() {
      auto listener = Listener::bind(*Endpoint::parse("127.0.0.1:0"));
      auto socket = co_await Socket::connect(listener->local(), now_ms() + 1000);
      char c[1];
      co_await socket->read(c, now_ms() + 5);
      co_return std::make_shared<Socket>(std::move(*socket));
    }
  };
  auto socket = run(T::go());
  const int fd = socket->fd();
  EXPECT_TRUE(socket->is_open());
  socket.reset();
  EXPECT_EQ(fcntl(fd, F_GETFD), -1);
}

TEST(Pool, RunsElsewhereAndResumesOnItsOwnLoop) {
  struct T {
    static Task<bool> one(Pool& pool, std::atomic<int>& count) {
      const auto home = std::this_thread::get_id();
      std::thread::id worker;
      std::function<void()> work = [&] {
        worker = std::this_thread::get_id();
        ++count;
      };
      co_await pool.run(work);
      co_return worker != home&& std::this_thread::get_id() == home;
    }
    static Task<std::vector<bool>> go(Pool& pool, std::atomic<int>& count) {
      std::vector<Task<bool>> tasks;
      for (int i = 0; i < 200; ++i) tasks.push_back(one(pool, count));
      co_return co_await core::when_all(std::move(tasks));
    }
  };
  Pool pool(3);
  std::atomic<int> count{0};
  std::vector<std::thread> loops;
  for (int i = 0; i < 2; ++i)
    loops.emplace_back([&] {
      for (const bool ok : run(T::go(pool, count))) EXPECT_TRUE(ok);
    });
  for (auto& loop : loops) loop.join();
  EXPECT_EQ(count, 400);
}

TEST(Signal, KeepsOneThatCameBetweenTwoWaits) {
  struct T {
    static Task<void> go() {
      const std::vector<int> signals{SIGHUP, SIGUSR2};
      std::thread killer([] {
        usleep(20'000);
        kill(getpid(), SIGHUP);
      });
      auto first = co_await wait_signal(signals);
      killer.join();
      EXPECT_EQ(*first, SIGHUP);
      kill(getpid(), SIGUSR2);
      auto second = co_await wait_signal(signals);
      EXPECT_EQ(*second, SIGUSR2);
    }
  };
  run(T::go());
}

}  // namespace
}  // namespace sekisho::io
