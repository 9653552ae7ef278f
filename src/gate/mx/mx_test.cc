#include "gate/mx/mx.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "../tests/support/gate_client.h"

namespace sekisho::mx {
namespace {
using core::Task;
using session::TestClient;
using session::TestPlace;

std::vector<io::Endpoint> loopback() { return {*io::Endpoint::parse("127.0.0.1:0")}; }

Task<int> send_mails(io::Endpoint to, int count) {
  int taken = 0;
  for (int i = 0; i < count; ++i) {
    TestClient client = co_await TestClient::dial(to);
    std::string text = co_await client.reply();
    text = co_await client.say("EHLO c.example");
    text = co_await client.say("MAIL FROM:<a@sender.example>");
    text = co_await client.say("RCPT TO:<user@dest.example>");
    text = co_await client.say("DATA");
    co_await client.send("Subject: x\r\n\r\nx\r\n.\r\n");
    text = co_await client.reply();
    taken += text.starts_with("250 ");
    text = co_await client.say("QUIT");
  }
  co_return taken;
}

Task<void> round_robin(TestPlace& place, io::Loop& second) {
  std::vector<io::Loop*> loops = {&io::Loop::current(), &second};
  auto gate = Gate::start(loopback(), loops, {}, place.shared());
  EXPECT_TRUE(gate);
  const int taken = co_await send_mails((*gate)->endpoints()[0], 20);
  EXPECT_EQ(taken, 20);
  EXPECT_EQ((*gate)->counts().accepted, 20u);
  const io::Endpoint at = (*gate)->endpoints()[0];
  const bool done = co_await (*gate)->drain(io::now_ms() + 5'000);
  EXPECT_TRUE(done);
  const auto late = co_await io::Socket::connect(at, io::now_ms() + 500);
  EXPECT_FALSE(late.ok());
  second.stop();
}

TEST(Mx, LoopsShareTheSessions) {
  TestPlace place;
  std::atomic<io::Loop*> second{nullptr};
  std::thread thread([&] {
    io::Loop loop;
    second = &loop;
    loop.run();
  });
  while (!second) std::this_thread::yield();
  io::run(round_robin(place, *second));
  thread.join();
  EXPECT_EQ(place.book->mails.size(), 20u);
  EXPECT_EQ(place.book->closed.size(), 20u);
}

Task<void> cap(TestPlace& place) {
  std::vector<io::Loop*> loops = {&io::Loop::current()};
  auto gate = Gate::start(loopback(), loops, {.sessions = 2}, place.shared());
  const io::Endpoint at = (*gate)->endpoints()[0];
  TestClient first = co_await TestClient::dial(at);
  TestClient second = co_await TestClient::dial(at);
  std::string text = co_await first.reply();
  text = co_await second.reply();
  EXPECT_TRUE(text.starts_with("220 ")) << text;
  TestClient third = co_await TestClient::dial(at);
  text = co_await third.reply();
  EXPECT_EQ(text, "421 4.3.2 Too many sessions, come again later\r\n");
  text = co_await third.reply();
  EXPECT_EQ(text, "closed");
  EXPECT_EQ((*gate)->counts().turned_away, 1u);
  text = co_await first.say("QUIT");
  text = co_await first.reply();
  TestClient fourth = co_await TestClient::dial(at);
  text = co_await fourth.reply();
  EXPECT_TRUE(text.starts_with("220 ")) << text;
  const bool done = co_await (*gate)->drain(io::now_ms() + 5'000);
  EXPECT_TRUE(done);
  text = co_await second.reply();
  EXPECT_EQ(text, "421 4.3.2 Service shutting down\r\n");
}

TEST(Mx, SessionsHaveALimit) {
  TestPlace place;
  io::run(cap(place));
}

Task<void> few_descriptors(TestPlace& place) {
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  rlimit low = before;
  low.rlim_cur = std::min<rlim_t>(1'024, before.rlim_max);
  setrlimit(RLIMIT_NOFILE, &low);
  std::vector<io::Loop*> loops = {&io::Loop::current()};
  auto gate = Gate::start(loopback(), loops, {.sessions = 1'000'000}, place.shared());
  rlimit raised{};
  getrlimit(RLIMIT_NOFILE, &raised);
  EXPECT_EQ(raised.rlim_cur, std::min<rlim_t>(before.rlim_max, 2'000'512));
  EXPECT_LE((*gate)->counts().sessions_limit * 2, std::max<rlim_t>(raised.rlim_cur, 2));
  setrlimit(RLIMIT_NOFILE, &before);
  const bool done = co_await (*gate)->drain(io::now_ms() + 1'000);
  EXPECT_TRUE(done);
}

TEST(Mx, SessionsFitTheDescriptors) {
  TestPlace place;
  io::run(few_descriptors(place));
}

Task<void> taken(TestPlace& place) {
  std::vector<io::Loop*> loops = {&io::Loop::current()};
  auto gate = Gate::start(loopback(), loops, {}, place.shared());
  const auto same = Gate::start((*gate)->endpoints(), loops, {}, place.shared());
  EXPECT_FALSE(same);
  EXPECT_NE(same.error().find((*gate)->endpoints()[0].text()), std::string::npos) << same.error();
  const bool done = co_await (*gate)->drain(io::now_ms() + 1'000);
  EXPECT_TRUE(done);
}

TEST(Mx, BusyPortIsNamed) {
  TestPlace place;
  io::run(taken(place));
}

Task<void> reloaded(TestPlace& place) {
  std::vector<io::Loop*> loops = {&io::Loop::current()};
  auto gate = Gate::start(loopback(), loops, {}, place.shared());
  const io::Endpoint at = (*gate)->endpoints()[0];
  TestClient before = co_await TestClient::dial(at);
  std::string text = co_await before.reply();
  place.settings.smtp.host_name = "new.sekisho.example";
  (*gate)->reload(place.shared(), {});
  TestClient after = co_await TestClient::dial(at);
  text = co_await after.reply();
  EXPECT_TRUE(text.starts_with("220 new.")) << text;
  text = co_await before.say("HELO c.example");
  EXPECT_EQ(text, "250 mx.sekisho.example\r\n");
  const bool done = co_await (*gate)->drain(io::now_ms() + 1'000);
  EXPECT_TRUE(done);
}

TEST(Mx, ReloadMeetsNewSessionsOnly) {
  TestPlace place;
  io::run(reloaded(place));
}

Task<void> doors_come_and_go(TestPlace& place) {
  std::vector<io::Loop*> loops = {&io::Loop::current()};
  auto gate = Gate::start(loopback(), loops, {}, place.shared());
  const io::Endpoint first = (*gate)->endpoints()[0];
  auto more = Gate::bind(loopback());
  const io::Endpoint second = more->front().local();
  (*gate)->add(std::move(*more));
  EXPECT_EQ((*gate)->endpoints().size(), 2u);
  TestClient old = co_await TestClient::dial(first);
  std::string text = co_await old.reply();
  // Connected, but not accepted before the door is told to go: it must still be served.
  auto waiting = co_await io::Socket::connect(first, io::now_ms() + 1'000);
  EXPECT_TRUE(waiting.ok());
  (*gate)->remove(first);
  char octets[64];
  const auto greeting = co_await waiting->read(octets, io::now_ms() + 2'000);
  EXPECT_TRUE(greeting.ok() && std::string_view(octets, *greeting).starts_with("220 "));
  const auto late = co_await io::Socket::connect(first, io::now_ms() + 500);
  EXPECT_FALSE(late.ok());
  text = co_await old.say("HELO c.example");
  EXPECT_TRUE(text.starts_with("250 ")) << text;
  const int taken = co_await send_mails(second, 1);
  EXPECT_EQ(taken, 1);
  const bool done = co_await (*gate)->drain(io::now_ms() + 1'000);
  EXPECT_TRUE(done);
}

TEST(Mx, DoorsComeAndGoWithoutHarmToAnybody) {
  TestPlace place;
  io::run(doors_come_and_go(place));
}

Task<void> handed_over(TestPlace& place) {
  std::vector<io::Loop*> loops = {&io::Loop::current()};
  auto old = Gate::start(loopback(), loops, {}, place.shared());
  const io::Endpoint at = (*old)->endpoints()[0];
  std::vector<int> fds = (*old)->hand_over();
  auto adopted = io::Listener::adopt(fds.at(0));
  EXPECT_TRUE(adopted.ok());
  const bool drained = co_await (*old)->drain(io::now_ms() + 1'000);
  EXPECT_TRUE(drained);
  // Between the two nobody accepts and nobody is refused.
  TestClient waiting = co_await TestClient::dial(at);
  std::vector<io::Listener> doors;
  doors.push_back(std::move(*adopted));
  auto next = Gate::start(std::move(doors), loops, {}, place.shared());
  std::string text = co_await waiting.reply();
  EXPECT_TRUE(text.starts_with("220 ")) << text;
  EXPECT_EQ((*old)->counts().sessions, 0u);
  EXPECT_EQ(next->counts().sessions, 1u);
  const bool done = co_await next->drain(io::now_ms() + 1'000);
  EXPECT_TRUE(done);
}

TEST(Mx, HandingOverRefusesNobody) {
  TestPlace place;
  io::run(handed_over(place));
}

Task<void> taken_back(TestPlace& place, bool at_once) {
  std::vector<io::Loop*> loops = {&io::Loop::current()};
  auto gate = Gate::start(loopback(), loops, {}, place.shared());
  const io::Endpoint at = (*gate)->endpoints()[0];
  for (const int fd : (*gate)->hand_over()) ::close(fd);
  if (!at_once) {
    const bool drained = co_await (*gate)->drain(io::now_ms() + 1'000);
    EXPECT_TRUE(drained);
  }
  (*gate)->take_back();
  const int taken = co_await send_mails(at, 2);
  EXPECT_EQ(taken, 2);
  const bool done = co_await (*gate)->drain(io::now_ms() + 1'000);
  EXPECT_TRUE(done);
  const auto late = co_await io::Socket::connect(at, io::now_ms() + 500);
  EXPECT_FALSE(late.ok());
}

TEST(Mx, TakenBackItGoesOn) {
  for (const bool at_once : {true, false}) {
    TestPlace place;
    io::run(taken_back(place, at_once));
  }
}

Task<void> hurried(TestPlace& place) {
  std::vector<io::Loop*> loops = {&io::Loop::current()};
  auto gate = Gate::start(loopback(), loops, {}, place.shared());
  TestClient client = co_await TestClient::dial((*gate)->endpoints()[0]);
  std::string text = co_await client.reply();
  text = co_await client.say("HELO c.example");
  text = co_await client.say("MAIL FROM:<a@sender.example>");
  struct Soon {
    static Task<void> hurry(Gate& at) {
      const auto slept = co_await io::sleep_until(io::now_ms() + 50);
      if (slept) at.hurry();
    }
  };
  io::spawn(Soon::hurry(**gate));
  const std::int64_t started_ms = io::now_ms();
  const bool done = co_await (*gate)->drain(started_ms + 10'000);
  EXPECT_FALSE(done);
  EXPECT_LT(io::now_ms() - started_ms, 5'000);
  text = co_await client.say("RSET");  // between transactions again: the drain still reaches it
}

TEST(Mx, ASecondWordEndsTheDrain) {
  TestPlace place;
  io::run(hurried(place));
}

}  // namespace
}  // namespace sekisho::mx
