#include "service/mediator/mediator.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "service/mediator/dialogue.h"

namespace sekisho::mediator {
namespace {

constexpr std::int64_t kNow = 1'704'462'070;

std::shared_ptr<const Policy> policy(std::vector<std::string> secrets = {"s3kret-7"}) {
  auto out = std::make_shared<Policy>();
  out->rewriter = std::make_shared<const srs::Rewriter>(std::move(secrets), srs::Options{});
  out->srs_domain = mail::Domain::parse("srs.example");
  out->kept.insert(*mail::Domain::parse("own.example"));
  out->kept_below.insert(*mail::Domain::parse("group.example"));
  return out;
}

Answer ask(Direction direction, const std::string& key) { return answer(*policy(), direction, key, kNow); }

TEST(Policy, WhatIsNotRewritten) {
  const std::pair<std::string, Outcome> cases[] = {
      {"", Outcome::kNull},
      {"<>", Outcome::kNull},
      {"postmaster", Outcome::kAddress},
      {"a@", Outcome::kAddress},
      {"a@[192.0.2.1]", Outcome::kAddress},
      {"a@b@c.example", Outcome::kAddress},
      {"a\r\nb@c.example", Outcome::kAddress},
      {"user@own.example", Outcome::kOwn},
      {"user@OWN.example.", Outcome::kOwn},
      {"SRS0=x=IP=a.example=u@srs.example", Outcome::kOwn},
      {"user@deep.in.group.example", Outcome::kOwn},
      {std::string(200, 'x') + "@" + std::string(40, 'y') + ".example", Outcome::kTooLong},
      {std::string(2000, 'x') + "@a.example", Outcome::kTooLong}};
  for (const auto& [key, wanted] : cases) {
    const Answer found = ask(Direction::kForward, key);
    EXPECT_EQ(word(found.outcome), word(wanted)) << key;
    EXPECT_EQ(found.address, "") << key;
  }
  EXPECT_EQ(ask(Direction::kForward, "user@group.example").outcome, Outcome::kForwarded);  // below it, not itself
  EXPECT_EQ(ask(Direction::kForward, "user@sub.own.example").outcome, Outcome::kForwarded);
}

TEST(Policy, ThereAndBack) {
  for (const std::string sender : {"user@a.example", "a..b.@docomo.ne.jp", "\"john smith\"@a.example"}) {
    const Answer made = ask(Direction::kForward, sender);
    ASSERT_EQ(made.outcome, Outcome::kForwarded) << sender;
    const Answer back = ask(Direction::kReverse, made.address);
    EXPECT_EQ(back.outcome, Outcome::kRestored);
    EXPECT_EQ(back.address, sender);
    EXPECT_FALSE(back.old_secret);
    EXPECT_TRUE(answer(*policy({"new", "s3kret-7"}), Direction::kReverse, made.address, kNow).old_secret);
    EXPECT_EQ(answer(*policy({"new"}), Direction::kReverse, made.address, kNow).outcome, Outcome::kHash);
    EXPECT_EQ(answer(*policy(), Direction::kReverse, made.address, kNow + 30 * 86'400).outcome, Outcome::kExpired);
    const auto at = made.address.rfind('@');
    EXPECT_EQ(ask(Direction::kReverse, made.address.substr(0, at) + "@other.example").outcome, Outcome::kForeign);
  }
  EXPECT_EQ(ask(Direction::kReverse, "user@srs.example").outcome, Outcome::kNotSrs);
}

TEST(Policy, AMailThatWentInACircleIsUnwrappedAtOnce) {
  const Answer first = ask(Direction::kForward, "user@a.example");
  const std::string elsewhere =
      "SRS1=zzzz=srs.example=" + first.address.substr(4, first.address.rfind('@') - 4) + "@b.example";
  const Answer again = ask(Direction::kForward, elsewhere);
  ASSERT_EQ(again.outcome, Outcome::kWrapped) << elsewhere;
  EXPECT_EQ(ask(Direction::kReverse, again.address).address, "user@a.example");
}

std::string feed(Dialogue& dialogue, std::string_view octets, std::optional<End>* end = nullptr) {
  std::string out;
  const auto found = dialogue.feed(
      octets, [](Direction d, std::string_view key) { return ask(d, std::string(key)); }, out);
  if (end) *end = found;
  return out;
}

TEST(Socketmap, AnswersInOrderHoweverTheOctetsAreCut) {
  const std::string made = ask(Direction::kForward, "user@a.example").address;
  const std::string asked = frame("forward user@a.example") + frame("reverse " + made) +
                            frame("forward x@own.example") + frame("nothing a@b.example") +
                            frame("srs_forward user@a.example");
  const std::string wanted = frame("OK " + made) + frame("OK user@a.example") + frame("NOTFOUND ") +
                             frame("PERM there is no such map here; there are forward and reverse") +
                             frame("OK " + made);
  Dialogue whole(Protocol::kSocketmap);
  EXPECT_EQ(feed(whole, asked), wanted);
  for (std::size_t cut = 1; cut < 40; ++cut) {
    Dialogue dialogue(Protocol::kSocketmap);
    std::string out;
    for (std::size_t at = 0; at < asked.size(); at += cut)
      out += feed(dialogue, std::string_view(asked).substr(at, cut));
    EXPECT_EQ(out, wanted) << cut;
    EXPECT_FALSE(dialogue.open());
  }
}

TEST(Socketmap, WhatIsNoNetstringEndsIt) {
  const std::pair<std::string, End> cases[] = {{"x", End::kMalformed},          {":", End::kMalformed},
                                               {"01:a,", End::kMalformed},      {"1:ab", End::kMalformed},
                                               {"-1:,", End::kMalformed},       {"123456", End::kTooLarge},
                                               {"16385:", End::kTooLarge},      {"99999:", End::kTooLarge},
                                               {"\n5:abcde,", End::kMalformed}, {"5 :abcde,", End::kMalformed}};
  for (const auto& [octets, wanted] : cases) {
    Dialogue dialogue(Protocol::kSocketmap);
    std::optional<End> end;
    const std::string out = feed(dialogue, octets, &end);
    ASSERT_TRUE(end) << octets;
    EXPECT_EQ(word(*end), word(wanted)) << octets;
    EXPECT_NE(out.find("PERM "), std::string::npos);
    EXPECT_FALSE(dialogue.open());
  }
  Dialogue largest(Protocol::kSocketmap);
  EXPECT_EQ(feed(largest, frame("forward " + std::string(16'376, 'x'))), frame("NOTFOUND "));
  Dialogue waits(Protocol::kSocketmap);
  EXPECT_EQ(feed(waits, "16384:" + std::string(16'384, 'x')), "");
  EXPECT_TRUE(waits.open());
}

TEST(TcpTable, SpeaksItsCodesAndItsPercents) {
  const std::string made = ask(Direction::kForward, "\"john smith\"@a.example").address;
  Dialogue forward(Protocol::kTcpForward), reverse(Protocol::kTcpReverse);
  const std::string answer = feed(forward, "get %22john%20smith%22@a.example\n");
  EXPECT_TRUE(answer.starts_with("200 ") && answer.find("john%20smith") != std::string::npos) << answer;
  EXPECT_EQ(feed(reverse, "get " + answer.substr(4)), "200 \"john%20smith\"@a.example\n");
  EXPECT_EQ(feed(forward, "get user@own.example\r\n"), "500 not%20found\n");
  EXPECT_TRUE(feed(forward, "put a b\n").starts_with("500 "));
  for (const std::string bad : {"get\n", "\n", "hello\n", "get %4\n", "get %zz@a.example\n", "get a%\n"}) {
    std::optional<End> end;
    EXPECT_TRUE(feed(forward, bad, &end).starts_with("400 ")) << bad;
    EXPECT_FALSE(end);
  }
  std::optional<End> end;
  Dialogue large(Protocol::kTcpForward);
  EXPECT_EQ(feed(large, "get " + std::string(4091, 'x'), &end), "");
  EXPECT_FALSE(end);
  EXPECT_TRUE(feed(large, "x", &end).starts_with("400 "));
  EXPECT_EQ(end, End::kTooLarge);
}

class Counted final : public Meter {
 public:
  void asked(const Answer&) override { ++questions; }
  void ended(End end) override { ends.push_back(end); }
  void turned_away(std::string_view why) override { refused.emplace_back(why); }
  int questions = 0;
  std::vector<End> ends;
  std::vector<std::string> refused;
};

core::Task<std::string> converse(io::Socket& socket, std::string octets) {
  const auto sent = co_await socket.write(octets, io::now_ms() + 5'000);
  std::string out;
  char buffer[4096];
  while (sent && (out.empty() || out.back() != ',')) {
    const auto got = co_await socket.read(buffer, io::now_ms() + 5'000);
    if (!got) break;
    out.append(buffer, *got);
  }
  co_return out;
}

core::Task<void> over_sockets(Counted& meter, std::string folder) {
  core::FixedClock clock(kNow);
  Doors doors;
  doors.socketmap = {*io::Endpoint::parse("127.0.0.1:0")};
  doors.unix_socketmap = folder + "/map";
  Limits limits{2, 150, 200, {*core::Network::parse("127.0.0.0/8")}};
  auto started = Mediator::start(doors, limits, policy(), clock, meter);
  EXPECT_TRUE(started);
  auto& service = **started;
  const auto text = service.addresses().front();
  const io::Endpoint at = *io::Endpoint::parse(text.substr(text.find(' ') + 1));
  auto first = co_await io::Socket::connect_unix(folder + "/map", io::now_ms() + 1'000);
  EXPECT_TRUE(first.ok());
  std::string said = co_await converse(*first, frame("forward user@own.example"));
  EXPECT_EQ(said, frame("NOTFOUND "));
  auto second = co_await io::Socket::connect(at, io::now_ms() + 1'000);
  said = co_await converse(*second, frame("forward user@own.example"));
  EXPECT_EQ(said, frame("NOTFOUND "));
  auto third = co_await io::Socket::connect(at, io::now_ms() + 1'000);
  said = co_await converse(*third, frame("forward user@own.example"));
  EXPECT_EQ(said, "");  // there are two already
  EXPECT_EQ(meter.refused, std::vector<std::string>{"full"});
  said = co_await converse(*second, "20:forward");  // and no more: slow
  EXPECT_EQ(said, "");
  service.reload(policy({"new"}), Limits{2, 60'000, 60'000, {}});
  auto fourth = co_await io::Socket::connect(at, io::now_ms() + 1'000);
  said = co_await converse(*fourth, frame("forward user@own.example"));
  EXPECT_EQ(said, "");  // nobody may come by TCP any more
  EXPECT_EQ(meter.refused.back(), "not_allowed");
  auto fifth = co_await io::Socket::connect_unix(folder + "/map", io::now_ms() + 1'000);
  said = co_await converse(*fifth, frame("forward user@a.example"));
  EXPECT_NE(said, frame("OK " + ask(Direction::kForward, "user@a.example").address));  // the new secret, at once
  const bool clean = co_await service.drain(io::now_ms() + 2'000);
  EXPECT_TRUE(clean);
  auto late = co_await io::Socket::connect(at, io::now_ms() + 500);
  EXPECT_FALSE(late.ok());
}

TEST(Mediator, ServesWaitsForNobodyAndLeavesCleanly) {
  char folder[] = "/tmp/sekisho-mediator-XXXXXX";
  ASSERT_TRUE(::mkdtemp(folder));
  Counted meter;
  io::run(over_sockets(meter, folder));
  EXPECT_EQ(meter.questions, 3);
  EXPECT_EQ(std::count(meter.ends.begin(), meter.ends.end(), End::kSlow), 1);
  EXPECT_EQ(std::count(meter.ends.begin(), meter.ends.end(), End::kIdle), 1);  // the first one
  EXPECT_EQ(::access((std::string(folder) + "/map").c_str(), F_OK), -1);
  ::rmdir(folder);
}

}  // namespace
}  // namespace sekisho::mediator
