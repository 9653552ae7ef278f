#include <gtest/gtest.h>

#include "base/dns/zone.h"
#include "road/identity/spf/spf.h"

namespace sekisho::spf {
namespace {

Shown show_of(std::string_view text, std::string_view domain = "t.example", Records records = Records::kSpf1) {
  auto parsed = dns::Zone::parse(text);
  EXPECT_TRUE(parsed.ok());
  parsed->add_origin(".");
  const auto resolver = dns::make_overlay(*parsed, nullptr);
  core::Budget budget;
  budget.dns_queries = 1000;
  return core::run_ready(show(std::string(domain), records, *resolver, budget));
}
std::vector<std::string> domains(const Shown& shown) {
  std::vector<std::string> out;
  for (const auto& part : shown.parts) out.push_back(part.domain);
  return out;
}

TEST(SpfShow, TermsCostWhatSection464Says) {
  const auto shown = show_of(
      "t.example. 1 IN TXT \"v=spf1 ip4:192.0.2.1 a mx ptr exists:%{i}.x.example include:b.example ~all "
      "exp=e.example\"\n"
      "b.example. 1 IN TXT \"v=spf1 ip6:2001:db8::1 a:c.example -all\"\n");
  ASSERT_EQ(domains(shown), (std::vector<std::string>{"t.example", "b.example"}));
  EXPECT_EQ(shown.lookups, 6u) << "a, mx, ptr, exists, include, and the a of b.example";
  EXPECT_EQ(shown.parts[1].by, "include:b.example");
  EXPECT_EQ(shown.parts[1].depth, 1u);
  EXPECT_FALSE(shown.loops || shown.cut);
}

TEST(SpfShow, WhatStandsBehindAllIsDead) {
  const auto shown = show_of("t.example. 1 IN TXT \"v=spf1 -all a include:b.example redirect=b.example\"\n");
  EXPECT_EQ(shown.lookups, 0u);
  EXPECT_EQ(shown.parts.size(), 1u) << "nothing of it is followed";
  ASSERT_EQ(shown.parts[0].terms.size(), 4u);
  EXPECT_FALSE(shown.parts[0].terms[0].dead);
  for (int i : {1, 2, 3}) EXPECT_TRUE(shown.parts[0].terms[i].dead) << i;
}

TEST(SpfShow, ARedirectIsFollowedLast) {
  const auto shown = show_of(
      "t.example. 1 IN TXT \"v=spf1 redirect=r.example include:i.example\"\n"
      "r.example. 1 IN TXT \"v=spf1 -all\"\ni.example. 1 IN TXT \"v=spf1 -all\"\n");
  EXPECT_EQ(domains(shown), (std::vector<std::string>{"t.example", "i.example", "r.example"}));
}

TEST(SpfShow, LoopsAndCrowdsEnd) {
  EXPECT_TRUE(show_of("t.example. 1 IN TXT \"v=spf1 include:t.example -all\"\n").loops);
  const auto two =
      show_of("t.example. 1 IN TXT \"v=spf1 include:b.example\"\nb.example. 1 IN TXT \"v=spf1 include:T.example.\"\n");
  EXPECT_TRUE(two.loops);
  EXPECT_EQ(two.parts.size(), 2u);
  // A tree that doubles at each step has 2^20 leaves.
  std::string zone;
  for (int i = 0; i < 20; ++i)
    zone += "d" + std::to_string(i) + ".example. 1 IN TXT \"v=spf1 include:d" + std::to_string(i + 1) +
            ".example include:d" + std::to_string(i + 1) + ".example\"\n";
  const auto shown = show_of(zone, "d0.example");
  EXPECT_TRUE(shown.cut);
  EXPECT_LE(shown.parts.size(), 40u);
}

TEST(SpfShow, BrokenRecordsAreShownAsFarAsTheyCanBeRead) {
  const auto syntax = show_of("t.example. 1 IN TXT \"v=spf1 a ip4:nonsense include:b.example\"\n");
  EXPECT_EQ(syntax.parts[0].status, Shown::Status::kSyntax);
  EXPECT_EQ(syntax.parts[0].offending, "ip4:nonsense");
  EXPECT_EQ(syntax.parts.size(), 1u);
  const auto several = show_of("t.example. 1 IN TXT \"v=spf1 -all\"\nt.example. 1 IN TXT \"v=spf1 +all\"\n");
  EXPECT_EQ(several.parts[0].status, Shown::Status::kSeveral);
  const auto none = show_of("t.example. 1 IN TXT \"hello\"\n");
  EXPECT_EQ(none.parts[0].status, Shown::Status::kNothing);
  EXPECT_EQ(none.parts[0].texts, std::vector<std::string>{"hello"});
  const auto fault = show_of(";!servfail t.example\n");
  EXPECT_TRUE(dns::is_temporary(fault.parts[0].code));
}

TEST(SpfShow, NoNameFromARecordIsAskedUnchecked) {
  const auto shown = show_of("t.example. 1 IN TXT \"v=spf1 include:$(id).example include:%{d}.x.example -all\"\n");
  EXPECT_EQ(shown.parts.size(), 1u);
  EXPECT_TRUE(shown.cut) << "what is no domain name is told; what depends on the mail is no fault";
}

TEST(SpfShow, ScopesOfSenderId) {
  constexpr std::string_view kZone =
      "t.example. 1 IN TXT \"spf2.0/pra mx -all\"\nt.example. 1 IN TXT \"v=spf1 a -all\"\n"
      "o.example. 1 IN TXT \"v=spf1 a -all\"\n";
  EXPECT_EQ(show_of(kZone, "t.example", Records::kPra).parts[0].record, "spf2.0/pra mx -all");
  EXPECT_EQ(show_of(kZone, "t.example", Records::kMfromThenSpf1).parts[0].record, "v=spf1 a -all");
  EXPECT_EQ(show_of(kZone, "o.example", Records::kPra).parts[0].status, Shown::Status::kNothing);
  EXPECT_EQ(show_of(kZone, "o.example", Records::kPraThenSpf1).parts[0].record, "v=spf1 a -all");
}

}  // namespace
}  // namespace sekisho::spf
