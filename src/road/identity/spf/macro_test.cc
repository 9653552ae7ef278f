#include "road/identity/spf/macro.h"

#include <gtest/gtest.h>

namespace sekisho::spf {
namespace {

Values rfc() {  // the example of RFC 7208 section 7.4
  Values v;
  v.sender = "strong-bad@email.example.com";
  v.local = "strong-bad";
  v.sender_domain = v.domain = "email.example.com";
  v.helo = "mail.example.com";
  v.receiver = "mx.example.org";
  v.client_ip = *core::IpAddress::parse("192.0.2.3");
  v.now_s = 1768435200;
  return v;
}
std::string name(std::string_view spec, const Values& values = rfc()) {
  TargetName out;
  expand(spec, values, out);
  return out.usable() ? std::string(out.name()) : "unusable";
}

TEST(Macro, ExamplesOfTheRfc) {
  EXPECT_EQ(name("%{s}"), "strong-bad@email.example.com");
  EXPECT_EQ(name("%{o}"), "email.example.com");
  EXPECT_EQ(name("%{d4}"), "email.example.com");
  EXPECT_EQ(name("%{d2}"), "example.com");
  EXPECT_EQ(name("%{d1}"), "com");
  EXPECT_EQ(name("%{dr}"), "com.example.email");
  EXPECT_EQ(name("%{d2r}"), "example.email");
  EXPECT_EQ(name("%{l}"), "strong-bad");
  EXPECT_EQ(name("%{l-}"), "strong.bad");
  EXPECT_EQ(name("%{lr}"), "strong-bad");
  EXPECT_EQ(name("%{lr-}"), "bad.strong");
  EXPECT_EQ(name("%{l1r-}"), "strong");
  EXPECT_EQ(name("%{ir}.%{v}._spf.%{d2}"), "3.2.0.192.in-addr._spf.example.com");
  EXPECT_EQ(name("%{lr-}.lp.%{ir}.%{v}._spf.%{d2}"), "bad.strong.lp.3.2.0.192.in-addr._spf.example.com");
  EXPECT_EQ(name("%{d2}.trusted-domains.example.net"), "example.com.trusted-domains.example.net");
  auto v = rfc();
  v.client_ip = *core::IpAddress::parse("2001:db8::cb01");
  EXPECT_EQ(name("%{ir}.%{v}._spf.%{d2}", v),
            "1.0.B.C.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.B.D.0.1.0.0.2.ip6._spf.example.com");
}

TEST(Macro, UpperCaseIsUrlEscaped) {
  auto v = rfc();
  v.local = "a~b/c=d%";
  EXPECT_EQ(name("%{L}.x"), "strong-bad.x");
  EXPECT_EQ(name("%{L}.x", v), "a~b%2Fc%3Dd%25.x");
}

TEST(Macro, NamesAreCutToFit) {
  auto v = rfc();
  const std::string label(60, 'x');
  const std::string local = label + "." + label + "." + label + "." + label;
  v.local = local;
  EXPECT_EQ(name("%{l}.%{l}.%{d}", v), label + "." + label + "." + label + ".email.example.com");
  std::string spec;
  for (int i = 0; i < 200; ++i) spec += "%{l}.";
  EXPECT_EQ(name(spec + "%{d}", v), label + "." + label + "." + label + ".email.example.com");
}

TEST(Macro, WhatNoHostHasIsNotAsked) {
  auto v = rfc();
  for (const std::string& bad :
       {std::string("a b"), std::string("a\0b", 3), std::string("a\nb"), std::string("a\x7f"), std::string("\xe9")}) {
    v.helo = bad;
    EXPECT_EQ(name("%{h}.example", v), "unusable");
  }
  EXPECT_EQ(name("a%_b.example"), "a b.example");  // the domain's owner wrote it
}

TEST(Macro, OddTransformers) {
  auto v = rfc();
  v.local = "..a--b";
  EXPECT_EQ(name("x%{l9r-}", v), "xb....a");
  EXPECT_EQ(name("%{l1-}.x", v), "b.x");
  EXPECT_EQ(name("%{l2-}.x", v), ".b.x");
  EXPECT_EQ(name("%{l1r-}.x", v), "..a.x");
  EXPECT_EQ(name("%{d4294967297}"), "email.example.com");
}

TEST(Macro, ExplanationIsCleanedAndCut) {
  auto v = rfc();
  v.local = "a\r\nb\xff";
  EXPECT_EQ(expand_explanation("%{l} from %{c} at %{r}, %{t}.", v, 500),
            "a??b? from 192.0.2.3 at mx.example.org, 1768435200.");
  EXPECT_EQ(expand_explanation(std::string(1000, 'x'), v, 500).size(), 500u);
  EXPECT_TRUE(valid_explanation("See %{d}, please."));
  EXPECT_FALSE(valid_explanation("See %{x}"));
  EXPECT_FALSE(valid_explanation("caf\xc3\xa9"));
  EXPECT_FALSE(valid_explanation("a\nb"));
}

TEST(Macro, UsesFindsTheLetter) {
  EXPECT_TRUE(uses("x.%{P1r}", 'p'));
  EXPECT_FALSE(uses("%%{p}.%{d}", 'p'));
}

}  // namespace
}  // namespace sekisho::spf
