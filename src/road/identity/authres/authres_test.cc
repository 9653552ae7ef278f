#include "road/identity/authres/authres.h"

#include <gtest/gtest.h>

#include "base/dns/zone.h"

namespace sekisho::authres {
namespace {

using namespace std::string_literals;

Header read(std::string_view value) {
  core::Budget budget;
  auto got = parse(value, budget);
  EXPECT_TRUE(got.ok()) << value;
  return got ? std::move(got).value() : Header{};
}
ErrorKind error_of(std::string_view value) {
  core::Budget budget;
  const auto got = parse(value, budget);
  EXPECT_FALSE(got.ok()) << value;
  return got ? ErrorKind{} : got.error().kind;
}

TEST(Parse, FoldsCommentsAndQuotes) {
  const auto h = read(
      " \"mx.example\" (a (nested) \\) one) 1 ;\r\n\tDKIM / 1 (x) = (y) Pass (good (sig)) reason = \"all "
      "\\\"well\\\"\"\r\n"
      "  header . d (z) = a.example header.b=Qgi/FoC0+== header.i=@a.example ;\r\n spf=softfail smtp.mailfrom=\"a;b "
      "c\"@x.example;");
  EXPECT_EQ(h.authserv_id, "mx.example");
  EXPECT_EQ(h.version, 1u);
  ASSERT_EQ(h.results.size(), 2u);
  EXPECT_EQ(h.results[0].method, "dkim");
  EXPECT_EQ(h.results[0].result, "pass");
  EXPECT_EQ(h.results[0].comment, "good (sig)");
  EXPECT_EQ(h.results[0].reason, "all \"well\"");
  EXPECT_EQ(h.results[0].find("header", "d")->value, "a.example");
  EXPECT_EQ(h.results[0].find("header", "b")->value, "Qgi/FoC0+==");
  EXPECT_EQ(h.results[0].find("header", "i")->value, "@a.example");
  EXPECT_EQ(h.results[0].find("header", "x"), nullptr);
  EXPECT_EQ(h.results[1].find("smtp", "mailfrom")->value, "\"a;b c\"@x.example");
}

TEST(Parse, NoneAndRealWorldShapes) {
  EXPECT_TRUE(read("mx.example; none").results.empty());
  EXPECT_TRUE(read("mx.example").results.empty());
  const auto h = read(
      "mx.example; spf=pass (sender IP is 192.0.2.1) smtp.mailfrom=x.example; dkim=none (no signature) header.d=none;"
      "dmarc=pass action=none header.from=x.example;compauth=pass reason=100");
  ASSERT_EQ(h.results.size(), 4u);
  EXPECT_EQ(h.results[2].properties.size(), 1u);
  EXPECT_EQ(h.results[3].reason, "100");
}

TEST(Parse, WhatIsWrongIsSaid) {
  EXPECT_EQ(error_of(""), ErrorKind::kNoId);
  EXPECT_EQ(error_of("; spf=pass"), ErrorKind::kNoId);
  EXPECT_EQ(error_of("mx (never closed; spf=pass"), ErrorKind::kUnclosed);
  EXPECT_EQ(error_of("\"mx; spf=pass"), ErrorKind::kUnclosed);
  EXPECT_EQ(error_of("mx one; spf=pass"), ErrorKind::kExpectedEnd);
  EXPECT_EQ(error_of("mx; =pass"), ErrorKind::kExpectedKeyword);
  EXPECT_EQ(error_of("mx; spf"), ErrorKind::kExpectedEquals);
  EXPECT_EQ(error_of("mx; spf="), ErrorKind::kExpectedKeyword);
  EXPECT_EQ(error_of("mx; iprev=pass policy.iprev=2001:db8::1"), ErrorKind::kExpectedEnd);
  EXPECT_EQ(error_of("mx; spf=pass smtp.mailfrom"), ErrorKind::kExpectedEquals);
  EXPECT_EQ(error_of("mx " + std::string(1000, '(')), ErrorKind::kTooComplex);
  std::string many = "mx";
  for (int i = 0; i < 20'000; ++i) many += ";spf=pass";
  EXPECT_EQ(error_of(many), ErrorKind::kTooComplex);
}

TEST(Format, ValuesComeBackAsTheyAre) {
  Header header{"mx.sekisho.example"};
  const std::vector<std::string> values{"a.example",   "user@a.example",
                                        "@a.example",  "bank.example(.attacker.example",
                                        "a b",         "",
                                        "\"a\\b\"@x",  "x; dmarc=pass header.from=bank.example",
                                        "2001:db8::1", "a\\\"; spf=pass",
                                        "a@b@c",       "(",
                                        ")",           "'"};
  header.results.push_back({"spf", "fail", "because \"it\" says; so (really)"});
  for (const auto& value : values) header.results[0].properties.push_back({"smtp", "mailfrom", value});
  for (std::size_t fold : {0u, 40u, 78u}) {
    const auto text = format(header, {.fold_at = fold});
    const auto back = read(text);
    ASSERT_EQ(back.results.size(), 1u) << text;
    EXPECT_EQ(back.results[0].reason, header.results[0].reason);
    ASSERT_EQ(back.results[0].properties.size(), values.size());
    for (std::size_t i = 0; i < values.size(); ++i) EXPECT_EQ(back.results[0].properties[i].value, values[i]);
    EXPECT_EQ(text.find('\n') != std::string::npos, fold != 0);
  }
}

TEST(Format, WhatCannotBeWrittenIsLeftOut) {
  Header header{"mx.sekisho.example"};
  header.results.push_back({"spf", "fail", "a\r\nb"});
  for (const auto& value : {"a\rb"s, "a\nb"s, "a\0b"s, "a\x7f"s, "\xff\xfe"s, "\xe4\xbe\x8b"s, std::string(513, 'a')})
    header.results[0].properties.push_back({"smtp", "mailfrom", value});
  header.results[0].properties.push_back({"smtp\r\nX:", "y", "z"});
  header.results.push_back({"bad method", "pass"});
  EXPECT_EQ(format(header), "mx.sekisho.example; spf=fail");
  EXPECT_EQ(format(header, {.utf8 = true}), "mx.sekisho.example; spf=fail smtp.mailfrom=\xe4\xbe\x8b");
  EXPECT_EQ(format({"mx.sekisho.example"}), "mx.sekisho.example; none");
  EXPECT_EQ(format({"mx\r\nX: y"}), "unknown; none");
}

TEST(Format, SpfFields) {
  auto zone = dns::Zone::parse("t.example. TXT \"v=spf1 ip4:192.0.2.0/24 -all\"");
  const auto resolver = dns::make_overlay(*zone, nullptr);
  spf::Query query;
  query.client_ip = *core::IpAddress::parse("192.0.2.10");
  query.helo = "odd \"helo\"\r\n";
  query.mail_from = "user@t.example";
  core::Budget budget;
  const auto got = spf::try_evaluate(query, *resolver, budget);
  ASSERT_TRUE(got);
  Header header{"mx.sekisho.example", 0, {spf_result(*got)}};
  EXPECT_EQ(format(header), "mx.sekisho.example; spf=pass smtp.mailfrom=t.example");
  EXPECT_EQ(received_spf(query, *got, "mx.sekisho.example"),
            "pass (mx.sekisho.example: matched ip4:192.0.2.0/24) receiver=mx.sekisho.example; client-ip=192.0.2.10; "
            "envelope-from=\"user@t.example\"; helo=\"odd \\\"helo\\\"\\\\x0d\\\\x0a\"; identity=mailfrom; "
            "mechanism=\"ip4:192.0.2.0/24\"");
}

// Which of these fields are to be removed?
std::vector<std::size_t> removed(const std::vector<std::pair<std::string, std::string>>& fields,
                                 std::vector<std::string> ids = {"mx.sekisho.example"}) {
  std::vector<mail::HeaderField> views;
  for (const auto& [name, value] : fields) views.push_back({{}, name, value, false});
  std::vector<std::size_t> out;
  for (const auto& f : forged(views, ids)) out.push_back(f.index);
  return out;
}
bool is_removed(const std::string& value) { return !removed({{"Authentication-Results", value}}).empty(); }

TEST(Forged, ReadersSeeMoreThanTheGrammar) {
  EXPECT_TRUE(is_removed("=?utf-8?Q?mx.sekisho.example?=; spf=pass"));
  EXPECT_TRUE(is_removed("=?utf-8?B?bXguc2VraXNoby5leGFtcGxl?=; spf=pass"));
  EXPECT_FALSE(is_removed("=?utf-8?Q?a.example?=; spf=pass smtp.mailfrom=mx.sekisho.example"));
  EXPECT_EQ(removed({{"Received-SPF", "pass ((c) mx.sekisho.example: x)"},
                     {"Received-SPF", "pass receiver(c) = (d) mx.sekisho.example"},
                     {"Received-SPF", "pass (a) (b) (mx.sekisho.example: x)"},
                     {"Received-SPF", "pass (a.example: domain of x@mx.sekisho.example)"},
                     {"X-Sekisho", "a"},
                     {std::string("Authentication-Results\0", 23), "mx.sekisho.example; spf=pass"},
                     {"Authentication\x7f-Results", "mx.sekisho.example; spf=pass"}}),
            (std::vector<std::size_t>{0, 1, 2, 4, 5, 6}));
}

TEST(Forged, OnlyOursGo) {
  EXPECT_EQ(removed({{"Authentication-Results", " a.example; dkim=pass"},
                     {"AUTHENTICATION-RESULTS", " mx.sekisho.example; dkim=pass"},
                     {"Authentication-Results", " b.example; dkim=pass"},
                     {"Authentication-Results", "mx.sekisho.example; spf=pass"},
                     {"X-Authentication-Results", " mx.sekisho.example; spf=pass"},
                     {"Received-SPF", " pass (mx.sekisho.example: x) client-ip=192.0.2.1"},
                     {"Received-SPF", " pass (a.example: x) receiver=\"MX.sekisho.example\"; x"},
                     {"Received-SPF", " pass (a.example: x) receiver=a.example"},
                     {"x-sekisho-Score", " 100"}}),
            (std::vector<std::size_t>{1, 3, 5, 6, 8}));
  EXPECT_EQ(
      removed({{"Authentication-Results", " inner.example; spf=pass"}}, {"mx.sekisho.example", "inner.example"}).size(),
      1u);
}

TEST(Forged, HoweverItIsWritten) {
  for (const auto& value : {"mx.sekisho.example; spf=pass"s,
                            "MX.Sekisho.EXAMPLE; spf=pass"s,
                            "mx.sekisho.example.; spf=pass"s,
                            "mx.sekisho.example 1; spf=pass"s,
                            "mx.sekisho.example/1; spf=pass"s,
                            "\"mx.sekisho.example\"; spf=pass"s,
                            "\"mx.seki\\sho.example\"; spf=pass"s,
                            "(comment) mx.sekisho.example; spf=pass"s,
                            "(a (nested\\) one) b) mx.sekisho.example(x); spf=pass"s,
                            "mx.(x)sekisho.example; spf=pass"s,
                            "mx . sekisho . example; spf=pass"s,
                            "\r\n\tmx.sekisho.example\r\n ; spf=pass"s,
                            "mx.sekisho.example"s,
                            "mx.sekisho.example spf=pass"s,
                            "mx.sekisho.example, spf=pass"s,
                            "; mx.sekisho.example; spf=pass"s,
                            "a.example; mx.sekisho.example; spf=pass"s,
                            "i=1; mx.sekisho.example; spf=pass"s,
                            "(never closed mx.sekisho.example; spf=pass"s,
                            "mx.sekisho.example (never closed; spf=pass"s,
                            "\"mx.sekisho.example; spf=pass"s,
                            "mx.sekisho\0.example; spf=pass"s,
                            "<mx.sekisho.example>; spf=pass"s,
                            "\xc2\xa0mx.sekisho.example; spf=pass"s,
                            "\xe2\x80\x8bmx.sekisho.example; spf=pass"s,
                            "\xef\xbd\x8d\xef\xbd\x98.sekisho\xe3\x80\x82"
                            "example; spf=pass"s,
                            "mx.sekisho.example=x; spf=pass"s}) {
    EXPECT_TRUE(is_removed(value)) << value;
  }
}

TEST(Forged, OthersStay) {
  for (const auto& value :
       {"mx.sekisho.example.attacker.example; dmarc=pass"s, "xmx.sekisho.example; dmarc=pass"s,
        "a.example; spf=pass smtp.helo=mx.sekisho.example"s, "a.example (relayed by mx.sekisho.example); spf=pass"s,
        "a.example; spf=pass (mx.sekisho.example: ok) smtp.mailfrom=x@mx.sekisho.example"s,
        "sekisho.example; spf=pass"s, ""s, ";"s, "mx.sekisho.example-x; spf=pass"s}) {
    EXPECT_FALSE(is_removed(value)) << value;
  }
}

TEST(SameId, AsDomainNames) {
  EXPECT_TRUE(same_id("MX.example.", "mx.example"));
  EXPECT_FALSE(same_id("mx.example", "mx.example.org"));
}

}  // namespace
}  // namespace sekisho::authres
