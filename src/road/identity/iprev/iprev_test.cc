#include "road/identity/iprev/iprev.h"

#include <gtest/gtest.h>

#include "base/dns/zone.h"

namespace sekisho::iprev {
namespace {

using road::AuthResult;

struct Case {
  const char* ip;
  AuthResult result;
  const char* name;
};

TEST(Iprev, Cases) {
  const auto zone = dns::Zone::parse(R"($ORIGIN .
1.2.0.192.in-addr.arpa  PTR mail.a.example
mail.a.example          A 192.0.2.1
                        AAAA 2001:db8::1
2.2.0.192.in-addr.arpa  PTR other.example.
                        PTR mail.a.example.
3.2.0.192.in-addr.arpa  PTR missing.example.
                        PTR b.example.
b.example               A 192.0.2.3
4.2.0.192.in-addr.arpa  PTR slow.example.
;!timeout slow.example
5.2.0.192.in-addr.arpa  PTR slow.example.
                        PTR five.example.
five.example            A 192.0.2.5
6.2.0.192.in-addr.arpa  PTR "a\013\010b c.example."
;!servfail 7.2.0.192.in-addr.arpa
8.2.0.192.in-addr.arpa  CNAME 8.0-63.2.0.192.in-addr.arpa.
8.0-63.2.0.192.in-addr.arpa PTR eight.example
eight.example           CNAME nine.example
nine.example            A 192.0.2.8
1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa PTR mail.a.example
)");
  ASSERT_TRUE(zone.ok()) << zone.error().text();
  const auto resolver = dns::make_overlay(*zone, nullptr);
  const Case cases[] = {
      {"192.0.2.1", AuthResult::kPass, "mail.a.example"},
      {"2001:db8::1", AuthResult::kPass, "mail.a.example"},
      {"::ffff:192.0.2.1", AuthResult::kPass, "mail.a.example"},
      {"192.0.2.2", AuthResult::kFail, "other.example"},
      {"192.0.2.3", AuthResult::kPass, "b.example"},
      {"192.0.2.4", AuthResult::kTempError, "slow.example"},
      {"192.0.2.5", AuthResult::kPass, "five.example"},
      {"192.0.2.6", AuthResult::kPermError, ""},
      {"192.0.2.7", AuthResult::kTempError, ""},
      {"192.0.2.8", AuthResult::kPass, "eight.example"},
      {"192.0.2.9", AuthResult::kPermError, ""},
  };
  for (const Case& c : cases) {
    core::Budget budget;
    const Evaluation e = core::run_ready(evaluate(*core::IpAddress::parse(c.ip), *resolver, budget));
    EXPECT_EQ(e.result, c.result) << c.ip << ": " << e.reason;
    EXPECT_EQ(e.name ? e.name->text() : "", c.name) << c.ip;
  }
}

TEST(Iprev, TriesTenNames) {
  dns::Zone zone;
  zone.add_origin(".");
  for (int i = 0; i < 11; ++i) {
    const std::string name = "n" + std::to_string(i) + ".example";
    zone.add("1.2.0.192.in-addr.arpa", dns::Type::kPtr, name);
    if (i == 10) zone.add(name, dns::Type::kA, "192.0.2.1");
    zone.add("2.2.0.192.in-addr.arpa", dns::Type::kPtr, name);
    if (i == 9) zone.add(name, dns::Type::kA, "192.0.2.2");
  }
  const auto resolver = dns::make_overlay(zone, nullptr);
  core::Budget budget;
  EXPECT_EQ(core::run_ready(evaluate(*core::IpAddress::parse("192.0.2.1"), *resolver, budget)).result,
            AuthResult::kFail);
  EXPECT_EQ(core::run_ready(evaluate(*core::IpAddress::parse("192.0.2.2"), *resolver, budget)).result,
            AuthResult::kPass);
}

}  // namespace
}  // namespace sekisho::iprev
