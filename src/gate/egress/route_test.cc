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
