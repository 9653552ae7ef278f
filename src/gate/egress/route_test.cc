#include "gate/egress/route.h"

#include <gtest/gtest.h>

#include "base/dns/zone.h"
#include "gate/egress/tell.h"

namespace sekisho::egress {
namespace {

class Nothing final : public dns::Resolver {
 public:
  dns::AnswerPtr ready(const dns::Name&, dns::Type) override { return nullptr; }
  core::Task<dns::AnswerPtr> lookup(dns::Name, dns::Type, core::Budget&) override {
    auto answer = std::make_shared<dns::Answer>();
    answer->code = dns::Code::kTimeout;
    co_return answer;
  }
};

// Hosts as "name ip", one a line; or the reply.
std::string go(const char* zone_text, RouteRules rules = {}) {
  const auto zone = dns::Zone::parse(std::string("$ORIGIN d.example.\n") + zone_text);
  EXPECT_TRUE(zone.ok()) << (zone.ok() ? "" : zone.error().text());
  const auto resolver = dns::make_overlay(*zone, std::make_unique<Nothing>());
  core::SeededRandom random(1);
  core::Budget budget;
  const Route route = core::run_ready(find_route(*mail::Domain::parse("d.example"), rules, *resolver, random, budget));
  if (route.refusal) return text_of(*route.refusal).substr(0, route.refusal->enhanced == "5.1.10" ? 10 : 9);
  std::string out;
  for (const auto& host : route.hosts) out += host.text() + " ";
  return out;
}

TEST(Route, MxByPreferenceThenAddresses) {
  EXPECT_EQ(go("@ IN MX 20 b\n@ IN MX 10 a\na IN A 192.0.2.1\na IN AAAA 2001:db8::1\nb IN A 192.0.2.2\n"),
            "a.d.example[192.0.2.1]:25 a.d.example[2001:db8::1]:25 b.d.example[192.0.2.2]:25 ");
  EXPECT_EQ(go("@ IN A 192.0.2.9\n"), "d.example[192.0.2.9]:25 ");
}
TEST(Route, EqualPreferencesShareTheLoad) {
  const auto zone =
      dns::Zone::parse("$ORIGIN d.example.\n@ IN MX 10 a\n@ IN MX 10 b\na IN A 192.0.2.1\nb IN A 192.0.2.2\n");
  const auto resolver = dns::make_overlay(*zone, std::make_unique<Nothing>());
  core::SeededRandom random(7);
  int first_a = 0;
  for (int i = 0; i < 100; ++i) {
    core::Budget budget;
    const Route route = core::run_ready(find_route(*mail::Domain::parse("d.example"), {}, *resolver, random, budget));
    ASSERT_EQ(route.hosts.size(), 2u);
    first_a += route.hosts[0].name == "a.d.example";
  }
  EXPECT_GT(first_a, 20);
  EXPECT_LT(first_a, 80);
}
TEST(Route, WhereThereIsNone) {
  EXPECT_EQ(go("@ IN MX 0 .\n"), "556 5.1.10");
  EXPECT_EQ(go("x IN A 192.0.2.1\n"), "550 5.1.2");
  EXPECT_EQ(go("@ IN MX 10 nobody\n"), "550 5.4.4");
  EXPECT_EQ(go(";!servfail d.example.\n@ IN A 192.0.2.1\n"), "451 4.4.3");
  EXPECT_EQ(go(";!servfail a.d.example.\n@ IN MX 10 a\na IN A 192.0.2.1\n"), "451 4.4.3");
}
TEST(Route, OneThatAnswersIsEnough) {
  EXPECT_EQ(go(";!timeout a.d.example.\n@ IN MX 10 a\n@ IN MX 20 b\na IN A 192.0.2.1\nb IN A 192.0.2.2\n"),
            "b.d.example[192.0.2.2]:25 ");
}
TEST(Route, OurselvesAndThoseBehindUsAreLeftOut) {
  RouteRules rules;
  rules.own_names = {"B.d.example"};
  const char* zone =
      "@ IN MX 10 a\n@ IN MX 20 b\n@ IN MX 20 c\n@ IN MX 30 e\na IN A 192.0.2.1\nb IN A 192.0.2.2\nc IN A 192.0.2.3\ne "
      "IN A 192.0.2.4\n";
  EXPECT_EQ(go(zone, rules), "a.d.example[192.0.2.1]:25 ");
  rules.own_names = {"a.d.example"};
  EXPECT_EQ(go(zone, rules), "554 5.4.6");
  rules.own_names.clear();
  rules.own = {{*core::IpAddress::parse("192.0.2.3"), 25}};
  EXPECT_EQ(go(zone, rules), "a.d.example[192.0.2.1]:25 ");
}
std::string words(const char* zone_text, const RouteRules& rules = {}) {
  const auto zone = dns::Zone::parse(std::string("$ORIGIN d.example.\n") + zone_text);
  const auto resolver = dns::make_overlay(*zone, std::make_unique<Nothing>());
  core::SeededRandom random(1);
  core::Budget budget;
  const Route route = core::run_ready(find_route(*mail::Domain::parse("d.example"), rules, *resolver, random, budget));
  return route.refusal ? text_of(*route.refusal) : "goes to " + route.hosts.front().text();
}
TEST(Route, WhatAnMxMayNotName) {
  EXPECT_EQ(words("@ IN MX 10 mx\nmx IN A 127.0.0.1\n"),
            "554 5.4.6 Mail for d.example would loop back: its host mx.d.example is 127.0.0.1 (loopback)");
  EXPECT_EQ(words("@ IN MX 10 mx\nmx IN A 10.1.2.3\n"),
            "550 5.4.4 No way to d.example: its host mx.d.example is 10.1.2.3 (private), no address of the Internet");
  for (const char* ip : {"127.8.8.8", "0.0.0.0"})
    EXPECT_EQ(go(("@ IN A " + std::string(ip) + "\n").c_str()), "554 5.4.6") << ip;
  for (const char* ip :
       {"10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1", "169.254.169.254", "224.0.0.1", "255.255.255.255"})
    EXPECT_EQ(go(("@ IN A " + std::string(ip) + "\n").c_str()), "550 5.4.4") << ip;
  for (const char* ip : {"::1", "::", "::ffff:127.0.0.1", "64:ff9b::7f00:1"})
    EXPECT_EQ(go(("@ IN AAAA " + std::string(ip) + "\n").c_str()), "554 5.4.6") << ip;
  for (const char* ip : {"fe80::1", "ff02::1", "fd00::1", "fec0::1", "::7f00:1"})
    EXPECT_EQ(go(("@ IN AAAA " + std::string(ip) + "\n").c_str()), "550 5.4.4") << ip;
}
TEST(Route, GoodHostsBesideBadOnesAreUsed) {
  EXPECT_EQ(go("@ IN MX 10 a\n@ IN MX 20 b\na IN A 127.0.0.1\na IN A 10.0.0.1\nb IN A 192.0.2.2\n"),
            "b.d.example[192.0.2.2]:25 ");
  // What may heal is not refused.
  EXPECT_EQ(go(";!timeout b.d.example.\n@ IN MX 10 a\n@ IN MX 20 b\na IN A 127.0.0.1\nb IN A 192.0.2.2\n"),
            "451 4.4.3");
}
TEST(Route, WhoeverNamesANetworkMeansIt) {
  RouteRules rules;
  rules.mx_networks = {*core::Network::parse("10.1.0.0/16"), *core::Network::parse("127.0.0.0/8")};
  EXPECT_EQ(go("@ IN A 10.1.2.3\n", rules), "d.example[10.1.2.3]:25 ");
  EXPECT_EQ(go("@ IN A 127.0.0.1\n", rules), "d.example[127.0.0.1]:25 ");
  EXPECT_EQ(go("@ IN A 10.2.2.3\n", rules), "550 5.4.4");
  rules.own = {{*core::IpAddress::parse("127.0.0.1"), 25}};
  EXPECT_EQ(go("@ IN A 127.0.0.1\n", rules), "554 5.4.6");  // our own gate even so
}
TEST(Route, AnAddressOfThisMachineLoops) {
  RouteRules rules;
  rules.is_machine = [](const core::IpAddress& ip) { return ip.text() == "192.0.2.7" || ip.text() == "10.0.0.7"; };
  EXPECT_EQ(words("@ IN MX 10 mx\nmx IN A 192.0.2.7\n", rules),
            "554 5.4.6 Mail for d.example loops back to this machine: its host mx.d.example is 192.0.2.7");
  EXPECT_EQ(go("@ IN MX 10 a\n@ IN MX 20 b\na IN A 192.0.2.7\nb IN A 192.0.2.2\n", rules), "554 5.4.6");
  EXPECT_EQ(go("@ IN A 10.0.0.7\n", rules), "554 5.4.6");
  rules.mx_networks = {*core::Network::parse("192.0.2.7")};  // another MTA of this machine
  EXPECT_EQ(go("@ IN A 192.0.2.7\n", rules), "d.example[192.0.2.7]:25 ");
  rules.own = {{core::IpAddress::v4(0), 25}};  // unless our gate stands on all addresses
  EXPECT_EQ(go("@ IN A 192.0.2.7\n", rules), "554 5.4.6");
  EXPECT_EQ(go("@ IN A 192.0.2.8\n", rules), "d.example[192.0.2.8]:25 ");
}
TEST(Route, LiteralsFollowTheSameRules) {
  const auto literal = [](const char* ip, const RouteRules& rules = {}) {
    const Route route = literal_route(*core::IpAddress::parse(ip), rules);
    return route.refusal ? text_of(*route.refusal).substr(0, 9) : route.hosts.front().text();
  };
  EXPECT_EQ(literal("192.0.2.1"), "[192.0.2.1]:25");
  EXPECT_EQ(literal("127.0.0.1"), "554 5.4.6");
  EXPECT_EQ(literal("10.0.0.1"), "550 5.4.4");
  RouteRules rules;
  rules.mx_networks = {*core::Network::parse("10.0.0.0/8")};
  EXPECT_EQ(literal("10.0.0.1", rules), "[10.0.0.1]:25");
}
TEST(Route, TheKernelKnowsItsOwnAddresses) {
  const auto asked = [](const char* ip) {
    auto task = [](core::IpAddress address) -> core::Task<bool> { co_return is_machine(address); };
    return io::run(task(*core::IpAddress::parse(ip)));
  };
  EXPECT_TRUE(asked("127.0.0.1"));
  EXPECT_FALSE(asked("192.0.2.1"));
  EXPECT_FALSE(asked("224.0.0.1"));
}
TEST(Route, NamesThatAreNeverAnsweredCostLimitedTime) {
  RouteRules rules;
  rules.until_ms = 0;  // it is long past
  EXPECT_EQ(go("@ IN MX 10 a\na IN A 192.0.2.1\n", rules), "451 4.4.3");
}
TEST(Route, ManyAddressesAreCutOff) {
  std::string zone;
  for (int i = 1; i < 60; ++i) zone += "@ IN A 192.0.2." + std::to_string(i) + "\n";
  const std::string all = go(zone.c_str());
  EXPECT_EQ(std::count(all.begin(), all.end(), ' '), 5);
}

std::string told(transfer::Outcome outcome, smtp::Reply reply, bool heard = true) {
  reply.heard = heard;
  return text_of(tell("mx[192.0.2.1]:25", {outcome, reply, ""}));
}
TEST(Tell, TheWorldsWordsWithItsName) {
  using transfer::Outcome;
  EXPECT_EQ(told(Outcome::kRefused, {550, "5.1.1", {"no such user"}}),
            "550 5.1.1 mx[192.0.2.1]:25 said: 550 5.1.1 no such user");
  EXPECT_EQ(told(Outcome::kRefused, {550, "", {"no"}}), "550 5.0.0 mx[192.0.2.1]:25 said: 550 no");
  EXPECT_EQ(told(Outcome::kTemporary, {421, "4.3.2", {"bye"}}), "451 4.3.2 mx[192.0.2.1]:25 said: 421 4.3.2 bye");
  EXPECT_EQ(told(Outcome::kTemporary, {552, "5.5.3", {"too many"}}),
            "451 4.0.0 mx[192.0.2.1]:25 said: 552 5.5.3 too many");
  EXPECT_EQ(told(Outcome::kUnknown, {451, "4.4.2", {"not confirmed"}}, false),
            "451 4.4.2 mx[192.0.2.1]:25: not confirmed");
  EXPECT_EQ(told(Outcome::kTemporary, {451, "4.6.7", {"x"}}, false),
            "550 5.6.7 mx[192.0.2.1]:25: The host does not take SMTPUTF8");
}
TEST(Tell, NeverA250ThatWasNotGivenNorA5xxForTheNetwork) {
  using transfer::Outcome;
  for (int code = 200; code < 600; ++code) {
    EXPECT_EQ(tell("h", {Outcome::kTemporary, {code, "", {"x"}}, ""}).code / 100, 4);
    EXPECT_EQ(tell("h", {Outcome::kUnknown, {code, "", {"x"}}, ""}).code / 100, 4);
    EXPECT_EQ(tell("h", {Outcome::kRefused, {code, "", {"x"}}, ""}).code / 100, 5);
    EXPECT_EQ(tell("h", {Outcome::kDelivered, {code, "", {"x"}}, ""}).code / 100, 2);
  }
}

}  // namespace
}  // namespace sekisho::egress
