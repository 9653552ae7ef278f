#include "road/identity/spf/record.h"

#include <gtest/gtest.h>

namespace sekisho::spf {
namespace {

using namespace std::string_literals;

TEST(Record, VersionEndsAtASpaceOrTheEnd) {
  EXPECT_TRUE(is_record("v=spf1"));
  EXPECT_TRUE(is_record("V=SPF1 -all"));
  for (const auto& bad : {"v=spf10"s, "v=spf1\t-all"s, "v=spf1\0"s, " v=spf1"s, "v=spf"s, ""s})
    EXPECT_FALSE(is_record(bad));
}

TEST(Record, SelectCountsAndKeepsTheFirst) {
  const std::vector<std::string> texts{"other", "v=spf1 a", "v=spf2.0/pra", "V=spf1 mx"};
  EXPECT_EQ(select(texts).count, 2u);
  EXPECT_EQ(select(texts).terms, " a");
}

TEST(Record, ReadsEveryTerm) {
  Terms terms(
      " +A:a.example/24//64  ~MX//0 ?ip4:192.0.2.0/24 -ip6:2001:db8::/32 exists:%{ir}.x.example x-y.z_1=%{c} "
      "redirect=b.example");
  Term t;
  ASSERT_EQ(terms.next(t), Terms::Step::kTerm);
  EXPECT_EQ(t.kind, Kind::kA);
  EXPECT_EQ(t.domain_spec, "a.example");
  EXPECT_EQ(t.prefix4, 24);
  EXPECT_EQ(t.prefix6, 64);
  ASSERT_EQ(terms.next(t), Terms::Step::kTerm);
  EXPECT_EQ(t.kind, Kind::kMx);
  EXPECT_EQ(t.qualifier, '~');
  EXPECT_EQ(t.prefix4, 32);
  EXPECT_EQ(t.prefix6, 0);
  ASSERT_EQ(terms.next(t), Terms::Step::kTerm);
  EXPECT_EQ(t.network.text(), "192.0.2.0");
  ASSERT_EQ(terms.next(t), Terms::Step::kTerm);
  EXPECT_EQ(t.network.text(), "2001:db8::");
  EXPECT_EQ(t.prefix6, 32);
  ASSERT_EQ(terms.next(t), Terms::Step::kTerm);
  EXPECT_EQ(t.kind, Kind::kExists);
  ASSERT_EQ(terms.next(t), Terms::Step::kTerm);
  EXPECT_EQ(t.kind, Kind::kOtherModifier);
  ASSERT_EQ(terms.next(t), Terms::Step::kTerm);
  EXPECT_EQ(t.kind, Kind::kRedirect);
  EXPECT_EQ(terms.next(t), Terms::Step::kEnd);
}

TEST(Record, ErrorsAnywhereAreFound) {
  for (const auto& bad : {"-all moo"s,
                          "all:x.example"s,
                          "all/8"s,
                          "all."s,
                          "a:"s,
                          "a:example"s,
                          "a:1.2.3.4"s,
                          "a/33"s,
                          "a//129"s,
                          "a/024"s,
                          "a/"s,
                          "a//"s,
                          "a/24/64"s,
                          "a/24//64//1"s,
                          "mx:a.example:25"s,
                          "ptr/0"s,
                          "ptr:"s,
                          "include"s,
                          "include:"s,
                          "include:a.example/24"s,
                          "exists"s,
                          "ip4"s,
                          "ip4:"s,
                          "ip4:1.2.3"s,
                          "ip4:01.2.3.4"s,
                          "ip4:1.2.3.4/33"s,
                          "ip4:1.2.3.4/-1"s,
                          "ip4:1.2.3.4//32"s,
                          "ip4:1.2.3.4:25"s,
                          "ip4:256.1.1.1"s,
                          "ip4:::1"s,
                          "ip6:1.2.3.4"s,
                          "ip6:::1/129"s,
                          "ip6:::1/"s,
                          "ip6:[::1]"s,
                          "ip6:1:2::3::4"s,
                          "ip4:1.2.3.4\0"s,
                          "a\tb"s,
                          "--all"s,
                          "-exp=a.example"s,
                          "=x"s,
                          "1x=y"s,
                          "exp="s,
                          "redirect="s,
                          "redirect:a.example"s,
                          "redirect=a.example redirect=b.example"s,
                          "exp=a.example EXP=a.example"s,
                          "x=%"s,
                          "x=%{"s,
                          "x=%{d0}"s,
                          "a:%{c}.example"s,
                          "a:x.example\xc3\xa9"s,
                          "exists:%{i}a"s,
                          "a:%{z}"s,
                          "a:-.-x"s,
                          "include:x.-y"s}) {
    EXPECT_FALSE(scan(bad).ok) << bad;
  }
  for (const auto& good :
       {""s, "   "s, "all"s, "x="s, "a:foo:bar/baz.example.com"s, "a:x.xn--zckzah"s, "a:%{d}"s, "a:x.example."s,
        "a/0//0"s, "exists:%{d2147483648r.-+,/_=}"s, "ip6:::ffff:1.2.3.4/96"s, "x=%%%_%-"s}) {
    EXPECT_TRUE(scan(good).ok) << good;
  }
}

}  // namespace
}  // namespace sekisho::spf
