#include "base/control/control.h"

#include <gtest/gtest.h>
#include <unistd.h>

namespace sekisho::control {
namespace {

core::Task<std::string> echo(std::string request) { co_return "got " + request; }

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

}  // namespace
}  // namespace sekisho::control
