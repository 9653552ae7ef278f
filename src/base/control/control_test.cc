#include "base/control/control.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <optional>

namespace sekisho::control {
namespace {

core::Task<Answer> echo(std::string request) { co_return "got " + request; }

core::Task<int> talk(std::string path) {
  Handler handler = echo;
  auto server = Server::start(path, handler);
  if (!server) co_return 1;
  auto answer = co_await ask(path, std::string(100'000, 'x'), io::now_ms() + 5000);
  if (!answer || answer->size() != 100'004) co_return 2;
  server->stop();
  auto none = co_await ask(path, "x", io::now_ms() + 1000);
  co_return none ? 3 : 0;
}

TEST(Control, AsksAndAnswers) {
  const std::string path = "/tmp/sekisho-control-test." + std::to_string(getpid());
  EXPECT_EQ(io::run(talk(path)), 0);
  EXPECT_NE(access(path.c_str(), F_OK), 0);
}

// The server's side of a hand-over: it passes one end of a pipe on and keeps the connection until it is told to end.
struct HandOver {
  int passed = -1;
  io::Event end;
  core::Task<Answer> answer(std::string) {
    Answer out(std::string(10'000, 'y'));
    out.descriptors.push_back(passed);
    out.then = [this](io::Socket socket) { return keep(std::move(socket)); };
    co_return out;
  }
  core::Task<void> keep(io::Socket socket) {
    const auto ended = co_await end.wait(io::now_ms() + 5'000);
    EXPECT_TRUE(ended.ok());
    EXPECT_TRUE(socket.is_open());
  }
};

core::Task<void> hand_over(std::string path) {
  int ends[2];
  EXPECT_EQ(::pipe(ends), 0);
  HandOver there{ends[1]};
  Handler handler = [&there](std::string request) { return there.answer(std::move(request)); };
  auto server = Server::start(path, handler);
  EXPECT_TRUE(server.ok());
  io::Pool pool(1);
  std::optional<core::Result<Handing, io::IoError>> got;
  std::function<void()> ask = [&] { got.emplace(Handing::ask(path, "x", io::now_ms() + 5'000)); };
  co_await pool.run(ask);
  EXPECT_TRUE(got->ok());
  if (!got->ok()) co_return;
  EXPECT_EQ((*got)->text(), std::string(10'000, 'y'));
  const auto fds = (*got)->take_descriptors();
  EXPECT_EQ(fds.size(), 1u);
  EXPECT_EQ(::write(fds.at(0), "z", 1), 1);
  char octet = 0;
  EXPECT_EQ(::read(ends[0], &octet, 1), 1);
  EXPECT_EQ(octet, 'z');
  for (const int fd : {fds.at(0), ends[0]}) ::close(fd);
  EXPECT_FALSE((*got)->wait_for_end(io::now_ms() + 50));
  there.end.set();
  bool ended = false;
  std::function<void()> wait = [&] { ended = (*got)->wait_for_end(io::now_ms() + 5'000); };
  co_await pool.run(wait);
  EXPECT_TRUE(ended);
}

TEST(Control, HandsDescriptorsOverAndIsHeardToEnd) {
  io::run(hand_over("/tmp/sekisho-control-test." + std::to_string(getpid())));
}

TEST(Control, NobodyToAskIsRefused) {
  const auto none = Handing::ask("/tmp/sekisho-no-such-socket", "x", io::now_ms() + 100);
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error(), io::IoError::kRefused);
}

}  // namespace
}  // namespace sekisho::control
