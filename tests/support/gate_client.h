#pragma once
// For tests: an SMTP client on a loop, and a place where one session is served.
#include <memory>
#include <string>
#include <utility>

#include "../tests/support/gate_road.h"
#include "gate/session/session.h"

namespace sekisho::session {

struct TestClient {
  io::Socket socket;
  std::string unread;

  static core::Task<TestClient> dial(io::Endpoint to) {
    auto connected = co_await io::Socket::connect(to, io::now_ms() + 2'000);
    TestClient client;
    if (connected) client.socket = std::move(*connected);
    co_return client;
  }
  core::Task<bool> send(std::string octets) {
    const auto written = co_await socket.write(octets, io::now_ms() + 2'000);
    co_return written.ok();
  }
  // One reply with all its lines; "closed" or "silence" when none comes.
  core::Task<std::string> reply(std::int64_t within_ms = 5'000) {
    std::string out;
    const std::int64_t until_ms = io::now_ms() + within_ms;
    while (true) {
      for (std::size_t end; (end = unread.find("\r\n")) != std::string::npos;) {
        const bool last = unread.size() > 3 && unread[3] == ' ';
        out += unread.substr(0, end + 2);
        unread.erase(0, end + 2);
        if (last) co_return out;
      }
      char block[4096];
      const auto read = co_await socket.read(block, until_ms);
      if (!read) co_return std::string(read.error() == io::IoError::kTimeout ? "silence" : "closed");
      unread.append(block, *read);
    }
  }
  core::Task<std::string> say(std::string line) {
    co_await send(line + "\r\n");
    co_return co_await reply();
  }
};

struct TestPlace {
  core::FixedClock clock{1'768'435'200};
  core::SystemRandom random;
  smtp::OctetPool pool{64u << 20};
  std::shared_ptr<TestBook> book = std::make_shared<TestBook>();
  Settings settings;
  std::shared_ptr<Roster> roster = std::make_shared<Roster>();

  TestPlace() { settings.smtp.host_name = "mx.sekisho.example"; }
  std::shared_ptr<const Shared> shared() {
    auto make_road = [kept = book](const SessionFacts&) { return std::make_unique<TestRoad>(kept); };
    return std::make_shared<const Shared>(Shared{settings, make_road, clock, random, pool});
  }
  // A client whose session runs on this loop.
  core::Task<TestClient> enter() {
    auto listener = io::Listener::bind(*io::Endpoint::parse("127.0.0.1:0"));
    TestClient client = co_await TestClient::dial(listener->local());
    const auto fd = co_await listener->accept();
    io::spawn(serve(*fd, {}, shared(), roster));
    co_return client;
  }
  // Lets the sessions end.
  core::Task<bool> all_gone(std::int64_t within_ms = 5'000) {
    const std::int64_t until_ms = io::now_ms() + within_ms;
    while (roster->size() > 0 && io::now_ms() < until_ms) {
      const auto slept = co_await io::sleep_until(io::now_ms() + 5);
      if (!slept) break;
    }
    co_return roster->size() == 0;
  }
};

}  // namespace sekisho::session
