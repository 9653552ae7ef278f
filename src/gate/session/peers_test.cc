// Who counts as the client: PROXY headers, XCLIENT, and the pause before the greeting. The peer is always 127.0.0.1.
#include <gtest/gtest.h>

#include "../tests/support/gate_client.h"
#include "../tests/support/self_signed.h"
#include "gate/session/session.h"

namespace sekisho::session {
namespace {
using core::Task;
using NamedBy = SessionFacts::NamedBy;
using namespace std::string_literals;

const std::string kSignature("\r\n\r\n\0\r\nQUIT\n", 12);
// From 192.0.2.1:40000 to 10.0.0.1:25.
const std::string kHeader = kSignature + "\x21\x11\0\x0C\xC0\0\x02\x01\x0A\0\0\x01\x9C\x40\0\x19"s;
const std::string kLocal = kSignature + "\x20\0\0\0"s;
const std::string kFromLoopback = "PROXY TCP4 127.0.0.9 10.0.0.1 40000 25\r\n";

std::vector<core::Network> net(const char* text) { return {*core::Network::parse(text)}; }
TestPlace& trusting(TestPlace& place) {
  place.settings.proxy_from = net("127.0.0.0/8");
  return place;
}

// Sends first, then says EHLO and QUIT like anybody; gives the replies.
Task<std::string> visit(TestPlace& place, std::string first, std::size_t piece, bool wait) {
  TestClient client = co_await place.enter();
  for (std::size_t at = 0; at < first.size(); at += piece) {
    co_await client.send(first.substr(at, piece));
    if (piece < first.size()) co_await io::sleep_until(io::now_ms() + 1);
  }
  std::string replies;
  if (wait) replies = co_await client.reply();
  if (!wait || replies.starts_with("220")) {
    replies += co_await client.say("EHLO client.example");
    if (!wait) replies += co_await client.reply();
    replies += co_await client.say("QUIT");
  }
  client.socket.close();
  EXPECT_TRUE(co_await place.all_gone());
  co_return replies;
}

TEST(Peers, TheProxysClientCounts) {
  for (const std::size_t piece : {std::size_t{1000}, std::size_t{1}, std::size_t{15}}) {
    TestPlace place;
    const std::string replies = io::run(visit(trusting(place), kHeader, piece, true));
    EXPECT_TRUE(replies.starts_with("220 ")) << replies;
    const SessionFacts& facts = place.book->helos.at(0);
    EXPECT_EQ(facts.client.text(), "192.0.2.1:40000");
    EXPECT_EQ(facts.local.text(), "10.0.0.1:25");
    EXPECT_EQ(facts.peer.ip.text(), "127.0.0.1");
    EXPECT_EQ(facts.named_by, NamedBy::kProxy);
    EXPECT_EQ(facts.events.early_talker, 0u);
    EXPECT_EQ(place.book->connects.at(0).client.text(), "192.0.2.1:40000");
  }
}
TEST(Peers, OctetsBehindTheHeaderAreTheClientsAndEarly) {
  TestPlace place;
  const std::string replies = io::run(visit(trusting(place), kHeader + "NOOP\r\n", 1000, true));
  EXPECT_TRUE(replies.starts_with("220 ")) << replies;
  EXPECT_NE(replies.find("250 2.0.0 Ok"), std::string::npos) << "not one octet is lost";
  EXPECT_EQ(place.book->helos.at(0).events.early_talker, 1u);
}
TEST(Peers, AListedPeerWithoutAHeaderIsRefused) {
  for (const std::string& first : {"EHLO client.example\r\n"s, "\r\nEHLO client.example\r\n"s,
                                   kHeader.substr(0, 13) + "\x13"s + kHeader.substr(14),
                                   kSignature + "\x21\x11\0\x04\xC0\0\x02\x01"s, "PROXY TCP4 1 2 3 4\r\n"s}) {
    TestPlace place;
    const std::string replies = io::run(visit(trusting(place), first, 1000, true));
    EXPECT_TRUE(replies.starts_with("421 4.3.5 ")) << replies;
    EXPECT_TRUE(place.book->connects.empty() && place.book->helos.empty());
    EXPECT_EQ(place.book->closed.at(0).events.proxy_refused, 1u);
    EXPECT_EQ(place.book->closed.at(0).end, SessionEnd::kRefused);
  }
}
TEST(Peers, TheHeaderHasItsTime) {
  TestPlace place;
  place.settings.proxy_timeout_ms = 100;
  const std::int64_t began_ms = io::now_ms();
  const std::string replies = io::run(visit(trusting(place), kHeader.substr(0, 20), 1000, true));
  EXPECT_TRUE(replies.starts_with("421 4.3.5 ")) << replies;
  EXPECT_LT(io::now_ms() - began_ms, 10'000);
}
TEST(Peers, AProxyOnItsOwnAccountHasNoTrust) {
  TestPlace place;
  place.settings.xclient_from = net("127.0.0.0/8");
  const std::string replies = io::run(visit(trusting(place), kLocal, 1000, true));
  EXPECT_EQ(replies.find("XCLIENT"), std::string::npos) << replies;
  const SessionFacts& facts = place.book->helos.at(0);
  EXPECT_EQ(facts.client, facts.peer);
  EXPECT_TRUE(facts.unnamed);
}
TEST(Peers, AnybodyElseTalksRubbish) {
  TestPlace place;
  place.settings.proxy_from = net("192.0.2.0/24");
  std::string replies = io::run(visit(place, "PROXY TCP4 192.0.2.1 10.0.0.1 40000 25\r\n", 1000, true));
  EXPECT_TRUE(replies.starts_with("220 ")) << replies;
  EXPECT_NE(replies.find("500 5.5.2"), std::string::npos);
  EXPECT_EQ(place.book->helos.at(0).client, place.book->helos.at(0).peer);
  TestPlace two;
  replies = io::run(visit(two, kHeader, 1000, true));
  EXPECT_EQ(two.book->connects.at(0).client.ip.text(), "127.0.0.1");
  EXPECT_EQ(two.book->closed.at(0).events.bare_line_end, 1u);
}

// What a proxy may do, its clients may not.
TEST(Peers, TrustIsJudgedByTheClientThatCounts) {
  for (const bool inside : {false, true}) {
    TestPlace place;
    place.settings.xclient_from = net("127.0.0.0/8");
    const std::string first = inside ? kFromLoopback : kHeader;
    const std::string replies = io::run(visit(trusting(place), first, 1000, true));
    EXPECT_EQ(replies.find("250-XCLIENT ") != std::string::npos, inside) << replies;
  }
}

Task<void> name_another(TestPlace& place, std::vector<std::string>& said) {
  TestClient client = co_await place.enter();
  said.push_back(co_await client.reply());
  for (const char* line :
       {"EHLO proxy.example", "XCLIENT NAME=x.example ADDR=IPV6:2001:db8::1 PORT=4711 DESTADDR=192.0.2.25 DESTPORT=26",
        "XCLIENT ADDR=192.0.2.9", "EHLO client.example", "MAIL FROM:<a@sender.example>", "QUIT"})
    said.push_back(co_await client.say(line));
  EXPECT_TRUE(co_await place.all_gone());
}
TEST(Peers, XclientNamesAnotherOnce) {
  TestPlace place;
  place.settings.xclient_from = net("127.0.0.1");
  std::vector<std::string> said;
  io::run(name_another(place, said));
  EXPECT_NE(said.at(1).find("250-XCLIENT NAME ADDR PORT PROTO HELO DESTADDR DESTPORT\r\n"), std::string::npos);
  EXPECT_TRUE(said.at(2).starts_with("220 mx.sekisho.example"));
  EXPECT_TRUE(said.at(3).starts_with("550 5.7.0 ")) << "2001:db8::1 may not";
  EXPECT_EQ(said.at(4).find("XCLIENT"), std::string::npos);
  EXPECT_TRUE(said.at(5).starts_with("250 "));
  ASSERT_EQ(place.book->connects.size(), 2u);
  const SessionFacts& facts = place.book->helos.at(1);
  EXPECT_EQ(facts.client.text(), "[2001:db8::1]:4711");
  EXPECT_EQ(facts.local.text(), "192.0.2.25:26");
  EXPECT_EQ(facts.peer.ip.text(), "127.0.0.1");
  EXPECT_EQ(facts.named_by, NamedBy::kXclient);
  EXPECT_EQ(place.book->closed.at(0).events.xclient_denied, 1u);
}

Task<void> say_all(TestPlace& place, std::vector<std::string> lines, std::vector<std::string>& said) {
  TestClient client = co_await place.enter();
  said.push_back(co_await client.reply());
  for (const std::string& line : lines) said.push_back(co_await client.say(line));
  client.socket.close();
  EXPECT_TRUE(co_await place.all_gone());
}
TEST(Peers, XclientAsksTheRoadAgain) {
  TestPlace place;
  place.settings.xclient_from = net("127.0.0.1");
  place.book->refused_ip = core::IpAddress::parse("192.0.2.66");
  std::vector<std::string> said;
  io::run(say_all(place, {"XCLIENT ADDR=192.0.2.66", "NOOP"}, said));
  EXPECT_EQ(said.at(1), "554 5.7.1 Not you\r\n");
  EXPECT_EQ(said.at(2), "closed");
}
TEST(Peers, XclientWithoutAnAddress) {
  TestPlace place;
  place.settings.xclient_from = net("0.0.0.0/0");
  std::vector<std::string> said;
  io::run(say_all(place,
                  {"XCLIENT NAME=x.example HELO=real.example PROTO=SMTP", "EHLO p", "XCLIENT ADDR=[UNAVAILABLE]",
                   "EHLO p", "XCLIENT ADDR=192.0.2.1", "QUIT"},
                  said));
  EXPECT_EQ(place.book->connects.at(1).helo_domain, "real.example");
  EXPECT_EQ(place.book->connects.at(1).client, place.book->connects.at(1).peer);
  EXPECT_EQ(place.book->connects.at(2).client.ip, core::IpAddress());
  EXPECT_TRUE(place.book->connects.at(2).unnamed);
  EXPECT_TRUE(said.at(5).starts_with("550 5.7.0 "));
}

Task<void> wait_for_greeting(TestPlace& place, std::string early, std::int64_t& took_ms) {
  TestClient client = co_await place.enter();
  const std::int64_t began_ms = io::now_ms();
  if (!early.empty()) co_await client.send(early);
  const std::string greeting = co_await client.reply();
  took_ms = io::now_ms() - began_ms;
  EXPECT_TRUE(greeting.starts_with("220 ")) << greeting;
  co_await client.send("EHLO c.example\r\n");
  co_await client.reply();
  client.socket.close();
  EXPECT_TRUE(co_await place.all_gone());
}
TEST(Peers, ThePause) {
  std::int64_t took_ms = 0;
  TestPlace patient;
  patient.settings.greet_pause_ms = 300;
  io::run(wait_for_greeting(patient, "", took_ms));
  EXPECT_GE(took_ms, 280);
  EXPECT_TRUE(patient.book->helos.at(0).patient);
  EXPECT_EQ(patient.book->helos.at(0).events.early_talker, 0u);
  TestPlace known;
  known.settings.greet_pause_ms = 5'000;
  known.book->greet_at_once = true;
  io::run(wait_for_greeting(known, "", took_ms));
  EXPECT_LT(took_ms, 2'000);
  EXPECT_FALSE(known.book->helos.at(0).patient);
  TestPlace early;
  early.settings.greet_pause_ms = 5'000;
  io::run(wait_for_greeting(early, "NOOP\r\n", took_ms));
  EXPECT_FALSE(early.book->helos.at(0).patient);
  EXPECT_EQ(early.book->helos.at(0).events.early_talker, 1u);
}
TEST(Peers, TheProxysOwnOctetsAreNotEarly) {
  TestPlace place;
  place.settings.greet_pause_ms = 200;
  std::int64_t took_ms = 0;
  io::run(wait_for_greeting(trusting(place), kHeader, took_ms));
  EXPECT_GE(took_ms, 180);
  EXPECT_TRUE(place.book->helos.at(0).patient);
  EXPECT_EQ(place.book->helos.at(0).events.early_talker, 0u);
}

Task<void> drain(TestPlace& place, std::string first) {
  TestClient client = co_await place.enter();
  if (!first.empty()) co_await client.send(first);
  co_await io::sleep_until(io::now_ms() + 50);
  place.roster->drain();
  const std::string text = co_await client.reply();
  EXPECT_EQ(text, "421 4.3.2 Service shutting down\r\n");
  EXPECT_TRUE(co_await place.all_gone());
}
TEST(Peers, ADrainDoesNotWaitForThem) {
  TestPlace header, pause;
  io::run(drain(trusting(header), kHeader.substr(0, 5)));
  EXPECT_EQ(header.book->closed.at(0).end, SessionEnd::kShutdown);
  pause.settings.greet_pause_ms = 30'000;
  io::run(drain(pause, ""));
  EXPECT_EQ(pause.book->closed.at(0).end, SessionEnd::kShutdown);
}

Task<void> vanish(TestPlace& place, std::string first) {
  TestClient client = co_await place.enter();
  if (!first.empty()) co_await client.send(first);
  client.socket.close();
  EXPECT_TRUE(co_await place.all_gone());
}
TEST(Peers, ClientsThatVanish) {
  for (const std::string& first : {""s, kHeader.substr(0, 20), kHeader}) {
    TestPlace place;
    place.settings.greet_pause_ms = 100;
    io::run(vanish(trusting(place), first));
    EXPECT_EQ(place.book->closed.size(), 1u);
  }
}

}  // namespace
}  // namespace sekisho::session
