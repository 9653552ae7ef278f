#include <gtest/gtest.h>

#include "road/identity/dmarc/dmarc.h"

namespace sekisho::dmarc {
namespace {

std::optional<Record> parse(std::string_view text, std::size_t uri_max = 5) {
  core::Budget budget;
  return parse_record(text, budget, uri_max);
}

TEST(DmarcRecord, VersionComesFirstAndMatchesExactly) {
  EXPECT_TRUE(parse("v=DMARC1"));
  EXPECT_TRUE(parse("v=DMARC1;p=none"));
  EXPECT_TRUE(parse("V = DMARC1 ; p=none"));
  for (const auto* text : {"", "v=dmarc1; p=none", "v=DMARC2; p=none", " v=DMARC1; p=none", "p=none; v=DMARC1",
                           "v=DMARC1 p=none", "v=DMARC1.", "vv=DMARC1", "v=spf1 -all", ";v=DMARC1", "=DMARC1"})
    EXPECT_FALSE(parse(text)) << text;
}

TEST(DmarcRecord, ReadsEveryTag) {
  const auto r = parse(
      "v=DMARC1; p=reject; sp=QUARANTINE; np=none; adkim=s; aspf=S; psd=n; t=y; fo=1:d; pct=20; "
      "rua=mailto:a@b.example; ruf=mailto:c@b.example");
  ASSERT_TRUE(r);
  EXPECT_EQ(r->p, Policy::kReject);
  EXPECT_EQ(r->sp, Policy::kQuarantine);
  EXPECT_EQ(r->np, Policy::kNone);
  EXPECT_TRUE(r->strict_dkim && r->strict_spf && r->testing);
  EXPECT_EQ(r->psd, Psd::kNo);
  EXPECT_EQ(r->fo, "1:d");
  EXPECT_EQ(r->percentage, 20u);
  ASSERT_EQ(r->rua.size(), 1u);
  EXPECT_EQ(r->rua[0].address.text(), "a@b.example");
  EXPECT_EQ(r->ruf.size(), 1u);
  EXPECT_FALSE(r->syntax_errors);
}

TEST(DmarcRecord, UnknownTagsAreIgnoredErrorsFallBackToDefaults) {
  const auto r =
      parse("v=DMARC1; p=reject; rf=afrf; ri=3600; later=1; adkim=strict; t=1; psd=maybe; pct=101; fo:0; =x;;");
  ASSERT_TRUE(r);
  EXPECT_EQ(r->p, Policy::kReject);
  EXPECT_FALSE(r->strict_dkim || r->testing || r->bad_policy);
  EXPECT_EQ(r->psd, Psd::kUnknown);
  EXPECT_FALSE(r->percentage);
  EXPECT_TRUE(r->syntax_errors);
  EXPECT_FALSE(parse("v=DMARC1; p=reject; rf=afrf; later=1;")->syntax_errors);
}

TEST(DmarcRecord, BadPolicyIsMarked) {
  EXPECT_TRUE(parse("v=DMARC1; p=rejct")->bad_policy);
  EXPECT_TRUE(parse("v=DMARC1; p=none; sp=all")->bad_policy);
  EXPECT_TRUE(parse("v=DMARC1; p=none; np=x")->bad_policy);
  EXPECT_FALSE(parse("v=DMARC1")->bad_policy);
}

TEST(DmarcRecord, FirstOfTwoEqualTagsStands) {
  const auto r = parse("v=DMARC1; p=reject; p=none");
  EXPECT_EQ(r->p, Policy::kReject);
  EXPECT_TRUE(r->syntax_errors);
}

TEST(DmarcRecord, ControlOctetsSpoilTheirTagOnly) {
  const auto r = parse(std::string("v=DMARC1; p=reject; aspf=s\0; adkim=s", 36));
  ASSERT_TRUE(r);
  EXPECT_FALSE(r->strict_spf);
  EXPECT_TRUE(r->strict_dkim && r->syntax_errors);
}

TEST(DmarcUri, SizesEncodingsAndSchemes) {
  const auto r = parse(
      "v=DMARC1; rua=mailto:a@x.example!10m , "
      "MAILTO:b%2Bc@x.example!5K,https://x.example/r,mailto:d@x.example?subject=hi,"
      "mailto:a@x.example",
      10);
  ASSERT_EQ(r->rua.size(), 3u);
  EXPECT_EQ(r->rua[0].max_octets, 10u << 20);
  EXPECT_EQ(r->rua[1].address.text(), "b+c@x.example");
  EXPECT_EQ(r->rua[1].max_octets, 5u << 10);
  EXPECT_EQ(r->rua[2].address.text(), "d@x.example");
  EXPECT_EQ(r->rua_left_out, 1u);  // https
  EXPECT_TRUE(r->rua_usable);
}

TEST(DmarcUri, BadOnesAreDropped) {
  for (const auto* uri : {"mailto:", "mailto:a", "a@x.example", "mailto:a%00@x.example", "mailto:a%0d%0a@x.example",
                          "mailto:a%4@x.example", "mailto:a@x.example!10x", "mailto:a@x.example!",
                          "mailto:a@x.example!99999999999999999999t", "mailto:<a@x.example>", "1x:y", "http:"}) {
    const auto r = parse(std::string("v=DMARC1; rua=") + uri);
    ASSERT_TRUE(r) << uri;
    EXPECT_TRUE(r->rua.empty()) << uri;
    EXPECT_FALSE(r->rua_usable) << uri;
  }
}

TEST(DmarcUri, AtMostTheCap) {
  std::string text = "v=DMARC1; p=none; rua=";
  for (int i = 0; i < 200; ++i) text += "mailto:r" + std::to_string(i) + "@v" + std::to_string(i) + ".example,";
  const auto r = parse(text);
  EXPECT_EQ(r->rua.size(), 5u);
  EXPECT_EQ(r->rua_left_out, 195u);
}

TEST(DmarcRecord, LinearInItsLength) {
  const std::string text = "v=DMARC1; p=reject" + std::string(1'000'000, ';');
  EXPECT_EQ(parse(text)->p, Policy::kReject);
  std::string tags = "v=DMARC1; p=reject";
  for (int i = 0; i < 100'000; ++i) tags += ";x" + std::string(1, static_cast<char>('a' + i % 26)) + "=1";
  EXPECT_EQ(parse(tags)->p, Policy::kReject);
}

TEST(DmarcRecord, EmptyBudgetIsNoRecord) {
  core::Budget budget;
  budget.steps = 3;
  EXPECT_FALSE(parse_record("v=DMARC1; p=reject", budget));
}

TEST(DmarcReport, PermissionName) {
  const auto name =
      report_permission_name(*mail::Domain::parse("example.com"), *mail::Domain::parse("thirdparty.example.net"));
  EXPECT_EQ(name->text(), "example.com._report._dmarc.thirdparty.example.net");
  std::string label(60, 'a');
  const auto longest = mail::Domain::parse(label + "." + label + "." + label + "." + label);
  EXPECT_FALSE(report_permission_name(*longest, *longest));
}

}  // namespace
}  // namespace sekisho::dmarc
