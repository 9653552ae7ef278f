#include "base/io/io.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

namespace sekisho::io {
namespace {
using core::Result;
using core::Task;

Endpoint loopback() { return *Endpoint::parse("127.0.0.1:0"); }

// Serves one listener: each connection is echoed until its end.
Task<void> echo(int fd) {
  Socket socket(fd);
  char buffer[4096];
  for (;;) {
    auto got = co_await socket.read(buffer, now_ms() + 20000);
    if (!got) co_return;
    const std::string_view octets(buffer, *got);
    auto put = co_await socket.write(octets, now_ms() + 20000);
    if (!put) co_return;
  }
}
Task<void> serve_echo(std::shared_ptr<Listener> listener) {
  for (;;) {
    auto fd = co_await listener->accept();
    if (!fd) co_return;
    spawn(echo(*fd));
  }
}
std::shared_ptr<Listener> listen() {
  auto bound = Listener::bind(loopback());
  EXPECT_TRUE(bound.ok());
  return std::make_shared<Listener>(std::move(*bound));
}
// Two ends of one connection.
struct Pair {
  Socket near, far;
};
Task<Pair> connected() {
  auto listener = listen();
  auto near = co_await Socket::connect(listener->local(), now_ms() + 2000);
  auto far = co_await listener->accept();
  co_return Pair{std::move(*near), Socket(*far)};
}
Task<std::string> read_n(Socket& socket, std::size_t n) {
  std::string out;
  char buffer[65536];
  while (out.size() < n) {
    auto got = co_await socket.read(buffer, now_ms() + 20000);
    if (!got) break;
    out.append(buffer, *got);
  }
  co_return out;
}

TEST(Socket, EchoesAMegabyteBothWays) {
  struct T {
    static Task<bool> put(Socket& socket, const std::string& big) {
      auto done = co_await socket.write(big, now_ms() + 10000);
      co_return done.ok();
    }
    static Task<bool> get(Socket& socket, const std::string& big) {
      auto back = co_await read_n(socket, big.size());
      co_return back == big;
    }
    static Task<void> go() {
      auto listener = listen();
      spawn(serve_echo(listener));
      auto socket = co_await Socket::connect(listener->local(), now_ms() + 2000);
      EXPECT_TRUE(socket.ok());
      EXPECT_EQ(socket->remote(), listener->local());
      std::string big(1 << 20, 'x');
      for (std::size_t i = 0; i < big.size(); ++i) big[i] = static_cast<char>(i * 7);
      std::vector<Task<bool>> both;
      both.push_back(put(*socket, big));
      both.push_back(get(*socket, big));
      auto ok = co_await core::when_all(std::move(both));
      EXPECT_TRUE(ok[0] && ok[1]);
      listener->cancel();
    }
  };
  run(T::go());
}

TEST(Socket, DeadlinesPassAndTheSocketStaysUsable) {
  struct T {
    static Task<void> go() {
      auto pair = co_await connected();
      char buffer[16];
      const auto before = now_ms();
      auto none = co_await pair.near.read(buffer, now_ms() + 30);
      EXPECT_EQ(none.error(), IoError::kTimeout);
      EXPECT_GE(now_ms() - before, 30);
      auto past = co_await pair.near.wait_readable(now_ms() - 1);
      EXPECT_EQ(past.error(), IoError::kTimeout);
      co_await pair.far.write("hi", now_ms() + 20000);
      auto ready = co_await pair.near.wait_readable(now_ms() + 1000);
      EXPECT_TRUE(ready.ok());
      EXPECT_TRUE(pair.near.pending());
      auto got = co_await pair.near.read(buffer, now_ms() + 20000);
      EXPECT_EQ(*got, 2u);
      EXPECT_FALSE(pair.near.pending());
      // A full send queue: the writer times out.
      const std::string big(32 << 20, 'x');
      auto stuck = co_await pair.near.write(big, now_ms() + 50);
      EXPECT_EQ(stuck.error(), IoError::kTimeout);
    }
  };
  run(T::go());
}

TEST(Socket, ResetAndHalfClose) {
  struct T {
    static Task<void> go() {
      char buffer[16];
      {
        auto pair = co_await connected();
        pair.far.shutdown_write();
        auto end = co_await pair.near.read(buffer, now_ms() + 20000);
        EXPECT_EQ(end.error(), IoError::kEof);
        // The other direction still works.
        auto put = co_await pair.near.write("late", now_ms() + 20000);
        EXPECT_TRUE(put.ok());
        auto late = co_await read_n(pair.far, 4);
        EXPECT_EQ(late, "late");
      }
      {
        auto pair = co_await connected();
        const linger hard{1, 0};
        setsockopt(pair.far.fd(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
        pair.far.close();
        auto end = co_await pair.near.read(buffer, now_ms() + 20000);
        EXPECT_EQ(end.error(), IoError::kReset);
        auto put = co_await pair.near.write("x", now_ms() + 20000);
        EXPECT_FALSE(put.ok());
        EXPECT_TRUE(pair.near.pending());
      }
    }
  };
  run(T::go());
}

TEST(Socket, UnreadOctetsDoNotTurnTheLastReplyIntoAReset) {
  struct T {
    static Task<void> go() {
      auto pair = co_await connected();
      co_await pair.near.write("many commands nobody reads", now_ms() + 20000);
      co_await pair.far.wait_readable(now_ms() + 1000);
      co_await pair.far.write("421 bye\r\n", now_ms() + 20000);
      pair.far.close();
      auto last = co_await read_n(pair.near, 100);
      EXPECT_EQ(last, "421 bye\r\n");
    }
  };
  run(T::go());
}

TEST(Socket, CancelDuringReadAndClose) {
  struct T {
    static Task<void> canceller(std::shared_ptr<Socket> socket, bool close) {
      co_await sleep_until(now_ms() + 10);
      if (close)
        socket->close();
      else
        socket->cancel();
    }
    static Task<void> go() {
      for (const bool close : {false, true}) {
        auto pair = co_await connected();
        auto near = std::make_shared<Socket>(std::move(pair.near));
        spawn(canceller(near, close));
        char buffer[16];
        auto got = co_await near->read(buffer, kNoDeadline);
        EXPECT_EQ(got.error(), IoError::kCancelled);
        EXPECT_EQ(near->is_open(), !close);
      }
    }
  };
  run(T::go());
}

TEST(Socket, ConnectRefusedAndUnix) {
  struct T {
    static Task<void> go() {
      Endpoint gone;
      {
        auto listener = listen();
        gone = listener->local();
      }
      auto refused = co_await Socket::connect(gone, now_ms() + 1000);
      EXPECT_EQ(refused.error(), IoError::kRefused);
      auto missing = co_await Socket::connect_unix("/nonexistent/socket", now_ms() + 1000);
      EXPECT_EQ(missing.error(), IoError::kRefused);

      const std::string path = "/tmp/sekisho-io-test." + std::to_string(getpid());
      auto first = Listener::bind_unix(path, 0600);
      EXPECT_TRUE(first.ok());
      struct stat there {};
      EXPECT_EQ(stat(path.c_str(), &there), 0);
      EXPECT_EQ(there.st_mode & 0777, 0600u);
      auto second = Listener::bind_unix(path, 0600);  // a living one is not taken over
      EXPECT_EQ(second.error(), IoError::kInUse);
      auto client = co_await Socket::connect_unix(path, now_ms() + 1000);
      EXPECT_TRUE(client.ok());
    }
  };
  run(T::go());
}

TEST(Listener, TurnsClientsAwayWhenOutOfDescriptors) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "UBSan needs descriptors of its own to look at objects; the other builds run this";
#endif
  struct T {
    static Task<void> accept_into(std::shared_ptr<Listener> listener, std::shared_ptr<std::vector<int>> fds) {
      for (;;) {
        auto fd = co_await listener->accept();
        if (!fd) co_return;
        fds->push_back(*fd);
      }
    }
    static Task<void> go() {
      auto listener = listen();
      auto fds = std::make_shared<std::vector<int>>();
      auto client = co_await Socket::connect(listener->local(), now_ms() + 1000);
      std::vector<int> fill;
      rlimit old{};
      getrlimit(RLIMIT_NOFILE, &old);
      rlimit low{256, old.rlim_max};
      setrlimit(RLIMIT_NOFILE, &low);
      for (int fd; (fd = ::dup(0)) >= 0;) fill.push_back(fd);
      spawn(accept_into(listener, fds));
      char buffer[1];
      auto end = co_await client->read(buffer, now_ms() + 20000);
      EXPECT_FALSE(end.ok());
      EXPECT_NE(end.error(), IoError::kTimeout);
      EXPECT_TRUE(fds->empty());
      for (const int fd : fill) ::close(fd);
      setrlimit(RLIMIT_NOFILE, &old);
      auto again = co_await Socket::connect(listener->local(), now_ms() + 1000);
      EXPECT_TRUE(again.ok());
      co_await sleep_until(now_ms() + 20);
      EXPECT_EQ(fds->size(), 1u);
      for (const int fd : *fds) ::close(fd);
      listener->cancel();
    }
  };
  run(T::go());
}

TEST(Socket, AThousandAtOnce) {
  struct T {
    static Task<bool> one(Endpoint to, int number) {
      auto socket = co_await Socket::connect(to, now_ms() + 20000);
      if (!socket) co_return false;
      const std::string text = "hello " + std::to_string(number);
      for (int round = 0; round < 3; ++round) {
        co_await socket->write(text, now_ms() + 20000);
        auto back = co_await read_n(*socket, text.size());
        if (back != text) co_return false;
        co_await sleep_until(now_ms() + number % 17);
      }
      co_return true;
    }
    static Task<int> go() {
      auto listener = listen();
      spawn(serve_echo(listener));
      std::vector<Task<bool>> tasks;
      for (int i = 0; i < 1000; ++i) tasks.push_back(one(listener->local(), i));
      auto results = co_await core::when_all(std::move(tasks));
      listener->cancel();
      co_return static_cast<int>(std::count(results.begin(), results.end(), true));
    }
  };
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, 4096);
  setrlimit(RLIMIT_NOFILE, &limit);
  EXPECT_EQ(run(T::go()), 1000);
}

TEST(Socket, ABusyPeerDoesNotStarveTheOthers) {
  struct T {
    static Task<void> flood(std::shared_ptr<Socket> socket, std::shared_ptr<bool> stop) {
      const std::string chunk(16384, 'x');
      while (!*stop) {
        auto put = co_await socket->write(chunk, now_ms() + 20000);
        if (!put) co_return;
      }
      socket->close();
    }
    static Task<void> swallow(Socket socket) {
      std::vector<char> buffer(16384);
      for (;;) {
        auto got = co_await socket.read(buffer, now_ms() + 20000);
        if (!got) co_return;
      }
    }
    static Task<void> go() {
      auto pair = co_await connected();
      auto stop = std::make_shared<bool>(false);
      spawn(flood(std::make_shared<Socket>(std::move(pair.near)), stop));
      spawn(swallow(std::move(pair.far)));
      std::int64_t worst = 0;
      for (int i = 0; i < 20; ++i) {
        const auto due = now_ms() + 5;
        co_await sleep_until(due);
        worst = std::max(worst, now_ms() - due);
      }
      *stop = true;
      EXPECT_LT(worst, 1000);
    }
  };
  run(T::go());
}

TEST(Udp, SendsReceivesAndTimesOut) {
  struct T {
    static Task<void> go() {
      auto server = Udp::bind(loopback());
      EXPECT_TRUE(server.ok());
      auto client = Udp::connect(server->local());
      EXPECT_TRUE(client->send("ping").ok());
      char buffer[64];
      auto got = co_await server->receive(buffer, now_ms() + 1000);
      EXPECT_EQ(std::string_view(buffer, got->size), "ping");
      EXPECT_TRUE(server->send_to(got->from, "pong!").ok());
      auto back = co_await client->receive(buffer, now_ms() + 1000);
      EXPECT_EQ(back->size, 5u);
      auto none = co_await client->receive(buffer, now_ms() + 20);
      EXPECT_EQ(none.error(), IoError::kTimeout);
    }
  };
  run(T::go());
}

}  // namespace
}  // namespace sekisho::io
