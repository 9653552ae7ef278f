#include "service/records/records.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/dns/zone.h"

namespace sekisho::records {
namespace {

using Codes = std::vector<std::string>;

Codes codes_of(const Problems& problems) {
  Codes out;
  for (const auto& p : problems)
    if (std::find(out.begin(), out.end(), p.rule->code) == out.end()) out.emplace_back(p.rule->code);
  std::sort(out.begin(), out.end());
  return out;
}

Codes lint(Type type, std::string text, std::vector<std::size_t> sizes = {}) {
  core::Budget budget;
  return codes_of(lint_text(type, "x.example", {std::move(text), std::move(sizes)}, budget));
}

bool has(const Codes& codes, std::string_view code) {
  return std::find(codes.begin(), codes.end(), code) != codes.end();
}

std::vector<Sheet> examined(const std::string& zone_text, Orders orders, core::Budget budget = {}) {
  const auto zone = dns::Zone::parse("$ORIGIN .\n" + zone_text);
  EXPECT_TRUE(zone.ok()) << (zone ? "" : zone.error().text());
  const auto resolver = dns::make_overlay(*zone, nullptr);
  return core::run_ready(examine(orders, *resolver, budget));
}

Orders orders_for(std::vector<Type> types, std::vector<std::string> selectors = {}) {
  return {*mail::Domain::parse("x.example"), std::move(types), std::move(selectors), {}, nullptr};
}

TEST(Records, GoodOnesHaveNoProblem) {
  EXPECT_EQ(lint(Type::kSpf, "v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 include:a.example ~all"), Codes{});
  EXPECT_EQ(lint(Type::kDmarc, "v=DMARC1; p=reject; rua=mailto:d@x.example"), Codes{});
  EXPECT_EQ(lint(Type::kMtaSts, "v=STSv1; id=20260101T000000;"), Codes{});
  EXPECT_EQ(lint(Type::kTlsRpt, "v=TLSRPTv1; rua=mailto:t@x.example,https://x.example/r"), Codes{});
  EXPECT_EQ(lint(Type::kBimi, "v=BIMI1; l=https://x.example/a.svg; a=https://x.example/a.pem"), Codes{});
}

TEST(Records, EachSpfMistakeHasItsCode) {
  const std::pair<const char*, const char*> kCases[] = {
      {"v=spf1 +all", "spf_pass_all"},
      {"v=spf1 ip4:0.0.0.0/0 -all", "spf_pass_all"},
      {"v=spf1 ?all", "spf_neutral_all"},
      {"v=spf1 mx", "spf_no_all"},
      {"v=spf1 -all mx", "spf_dead"},
      {"v=spf1 redirect=a.example -all", "spf_dead"},
      {"v=spf1 ptr -all", "spf_ptr"},
      {"v=spf1 ipv4:192.0.2.1 -all", "spf_word"},
      {"v=spf1 a:192.0.2.1 -all", "spf_ip_in_a"},
      {"v=spf1 ip4:mail.example -all", "spf_name_in_ip"},
      {"v=spf1 redirect:a.example", "spf_colon_redirect"},
      {"v=spf1 include=a.example ip4 -all", "spf_name_in_ip"},
      {"v=spf1 include: a.example -all", "spf_syntax"},
      {"v=spf1 mail.example -all", "spf_lone_name"},
      {"v=spf1 192.0.2.1 -all", "spf_lone_name"},
      {"v=spf1 ip4:192.0.2.0/24 ip4:192.0.2.7 -all", "spf_covered"},
      {"v=spf1 ip4:10.1.0.0/24 -all", "spf_private"},
      {"v=spf1 ip4:64.0.0.0/8 -all", "spf_wide"},
      {"v=spf1 ip4:192.0.2.1/24 -all", "spf_host_bits"},
      {"v=spf1 include:a.example. -all", "spf_final_dot"},
      {"v=spf1 ipv4=192.0.2.1 -all", "spf_unknown_modifier"},
      {"v=spf1 a:caf\xc3\xa9.example -all", "spf_beyond_ascii"},
      {"v=spf1; -all", "spf_not_seen"},
      {"v=spf1\tmx -all", "spf_not_seen"},
      {" v=spf1 mx -all", "spf_not_seen"},
      {"\"v=spf1 mx -all\"", "octets_escape"},
  };
  for (const auto& [text, code] : kCases) {
    const auto got = lint(Type::kSpf, text);
    EXPECT_TRUE(has(got, code)) << text << ": " << testing::PrintToString(got);
  }
  EXPECT_TRUE(
      has(lint(Type::kSpf, "v=spf1 include:a.exampleinclude:b.example -all", {24, 22}), "strings_run_together"));
  EXPECT_FALSE(
      has(lint(Type::kSpf, "v=spf1 include:a.example include:b.example -all", {25, 22}), "strings_run_together"));
}

TEST(Records, EachTagMistakeHasItsCode) {
  struct Case {
    Type type;
    const char *text, *code;
  };
  const Case kCases[] = {
      {Type::kDmarc, "v=DMARC1; p=none", "dmarc_no_rua"},
      {Type::kDmarc, "v=DMARC1; p=none; rua=mailto:a@x.example", "dmarc_p_none"},
      {Type::kDmarc, "v=DMARC1; p=reject; sp=none", "dmarc_sp_weaker"},
      {Type::kDmarc, "v=DMARC1; p=reject; np=none", "dmarc_np_weaker"},
      {Type::kDmarc, "v=DMARC1; p=reject; pct=50", "dmarc_pct"},
      {Type::kDmarc, "v=DMARC1; p=reject; rf=afrf; ri=1", "dmarc_old_tag"},
      {Type::kDmarc, "v=DMARC1; p=reject; t=y", "dmarc_testing"},
      {Type::kDmarc, "v=DMARC1; p=rejct", "dmarc_value"},
      {Type::kDmarc, "v=DMARC1; adkim=r; p=reject", "dmarc_p_place"},
      {Type::kDmarc, "v=DMARC1; p=reject; rua=a@x.example", "dmarc_uri_bare"},
      {Type::kDmarc, "v=DMARC1; p=reject; rua=mailto:a@x.example mailto:b@x.example", "dmarc_uri_space"},
      {Type::kDmarc, "v=DMARC1; p=reject; rua=mailto:x", "dmarc_uri"},
      {Type::kDmarc, "v=DMARC1; p=reject; rua=https://x.example/", "dmarc_scheme"},
      {Type::kDmarc, "v=DMARC1; p=reject; p=none", "dmarc_twice"},
      {Type::kDmarc, "v=DMARC1; p=reject; what", "dmarc_no_tag"},
      {Type::kDmarc, "v=DMARC1;", "dmarc_no_p"},
      {Type::kDmarc, "v=dmarc1; p=none", "dmarc_not_seen"},
      {Type::kDmarc, "v=DMARC1 p=none", "dmarc_not_seen"},
      {Type::kDmarc, "v=DMARC1; p=reject; fo=1", "dmarc_fo_alone"},
      {Type::kDmarc, "v=DMARC1\\; p=reject", "octets_escape"},
      {Type::kDkim, "v=DKIM1; p=", "dkim_revoked"},
      {Type::kDkim, "v=DKIM1; k=rsa", "dkim_no_p"},
      {Type::kDkim, "v=DKIM2; p=AAAA", "dkim_version"},
      {Type::kDkim, "p=AAAA; v=DKIM1", "dkim_version_place"},
      {Type::kDkim, "v=DKIM1; k=dsa; p=AAAA", "dkim_type"},
      {Type::kDkim, "v=DKIM1; p=AAAA", "dkim_unusable"},
      {Type::kDkim, "v=DKIM1; p=-----BEGIN PUBLIC KEY-----AAAA", "dkim_pem"},
      {Type::kDkim, "v=DKIM1; p=AAAA; p=AAAA", "dkim_tag_twice"},
      {Type::kDkim, "v=DKIM1; h=sha1; p=AAAA", "dkim_sha1_only"},
      {Type::kDkim, "v=DKIM1; t=y; p=AAAA", "dkim_testing"},
      {Type::kDkim, "v=DKIM1; s=tlsrpt; p=AAAA", "dkim_service"},
      {Type::kDkim, "v=DKIM1; K=rsa; p=AAAA", "dkim_tag_case"},
      {Type::kDkim, "v=DKIM1; g=; p=AAAA", "dkim_granularity"},
      {Type::kDkim, "k=rsa; p=AAAA", "dkim_no_version"},
      {Type::kDkim, "v=DKIM1; junk; p=AAAA", "dkim_syntax"},
      {Type::kDomainKeys, "o=-; t=y", "domainkeys_testing"},
      {Type::kDomainKeys, "o=!", "domainkeys_value"},
      {Type::kSenderId, "spf2.0 mx -all", "senderid_not_seen"},
      {Type::kSenderId, "spf2.0/pra,all mx -all", "senderid_scope"},
      {Type::kMtaSts, "v=STSv1; id=2026-01-01;", "sts_id"},
      {Type::kMtaSts, "v=STSv1;", "sts_no_id"},
      {Type::kMtaSts, "v=sts1; id=1;", "sts_not_seen"},
      {Type::kTlsRpt, "v=TLSRPTv1; rua=t@x.example", "tlsrpt_uri"},
      {Type::kTlsRpt, "v=TLSRPTv1;", "tlsrpt_no_rua"},
      {Type::kBimi, "v=BIMI1; l=http://x.example/a.svg", "bimi_uri"},
      {Type::kBimi, "v=BIMI1; l=https://x.example/a.png", "bimi_suffix"},
  };
  for (const auto& c : kCases) {
    const auto got = lint(c.type, c.text);
    EXPECT_TRUE(has(got, c.code)) << c.text << ": " << testing::PrintToString(got);
  }
}

TEST(Records, APolicyFileIsHeldAgainstTheExchanges) {
  const std::vector<std::string> mx{"mx1.x.example", "mx.other.example"};
  const auto codes = [&](std::string_view text) {
    core::Budget budget;
    return codes_of(lint_sts_policy("p", text, mx, budget));
  };
  EXPECT_EQ(codes("version: STSv1\r\nmode: enforce\r\nmx: *.x.example\r\nmx: mx.other.example\r\nmax_age: 604800\r\n"),
            Codes{});
  EXPECT_EQ(codes("version: STSv1\nmode: enforce\nmx: *.x.example\nmax_age: 604800\n"), Codes{"sts_policy_mx"});
  EXPECT_EQ(
      codes("version: STSv1\nmode: enforce\nmx: *.example\nmx: mx1.x.example\nmx: mx.other.example\nmax_age: 604800\n"),
      Codes{"sts_policy_unused"});
  EXPECT_TRUE(has(codes("mode: strict\n"), "sts_policy_key"));
}

TEST(Records, LookupsAndVoidsAreCountedThroughIncludes) {
  const auto sheets = examined(
      "x.example. TXT \"v=spf1 include:a.example include:b.example a:gone.example mx:gone.example a:v4.example -all\"\n"
      "a.example. TXT \"v=spf1 a:gone.example -all\"\nb.example. TXT \"v=spf1 ip4:192.0.2.0/24 -all\"\n"
      "v4.example. A 192.0.2.1\n",
      orders_for({Type::kSpf}));
  ASSERT_EQ(sheets.size(), 1u);
  ASSERT_TRUE(sheets[0].cost);
  EXPECT_EQ(sheets[0].cost->lookups, 6u);
  EXPECT_EQ(sheets[0].cost->void_v4, 3u);
  EXPECT_EQ(sheets[0].cost->void_v6, 4u);
  EXPECT_EQ(sheets[0].cost->tree.size(), 3u);
  EXPECT_EQ(codes_of(sheets[0].problems), (Codes{"spf_void", "spf_void_term"}));
}

TEST(Records, LoopsAndTenThousandIncludesEnd) {
  const auto loop =
      examined("x.example. TXT \"v=spf1 include:y.example -all\"\ny.example. TXT \"v=spf1 include:x.example -all\"\n",
               orders_for({Type::kSpf}));
  EXPECT_EQ(codes_of(loop[0].problems), Codes{"spf_loop"});
  std::string many = "v=spf1";
  for (int i = 0; i < 10'000; ++i) many += " include:i" + std::to_string(i) + ".example";
  const auto below = dns::make_overlay(*dns::Zone::parse("$ORIGIN .\n"), nullptr);
  const auto resolver = lay_over(Type::kSpf, *dns::Name::parse("x.example"), {many + " -all", {}}, *below);
  core::Budget budget{.dns_queries = 50};
  const auto sheets = core::run_ready(examine(orders_for({Type::kSpf}), *resolver, budget));
  const auto got = codes_of(sheets[0].problems);
  EXPECT_TRUE(has(got, "spf_lookups") && has(got, "spf_cut")) << testing::PrintToString(got);
  EXPECT_EQ(sheets[0].cost->lookups, 10'000u);
}

TEST(Records, RecordsThatAreNotSeen) {
  const auto codes = [](const std::string& zone, Type type, std::vector<std::string> selectors = {}) {
    return codes_of(examined(zone, orders_for({type}, std::move(selectors)))[0].problems);
  };
  EXPECT_TRUE(
      has(codes("x.example. TXT \"v=spf1 -all\"\nx.example. TXT \"v=spf1 mx -all\"\n", Type::kSpf), "spf_several"));
  EXPECT_TRUE(has(codes("_spf.x.example. TXT \"v=spf1 -all\"\n", Type::kSpf), "spf_wrong_place"));
  EXPECT_TRUE(has(codes("x.example. TXT \"v=DMARC1; p=none\"\n", Type::kDmarc), "dmarc_wrong_place"));
  EXPECT_TRUE(has(codes("_dmarc.x.example.x.example. TXT \"v=DMARC1; p=none\"\n", Type::kDmarc), "doubled_name"));
  EXPECT_TRUE(has(
      codes("_dmarc.x.example. TXT \"v=DMARC1; p=none\"\n_dmarc.x.example. TXT \"v=DMARC1; p=reject\"\n", Type::kDmarc),
      "dmarc_several"));
  EXPECT_TRUE(has(codes("x.example. A 192.0.2.1\n", Type::kDkim, {"s1"}), "dkim_missing"));
  EXPECT_TRUE(has(codes(";!servfail x.example.\n", Type::kSpf), "dns_temporary"));
  EXPECT_TRUE(
      has(codes("_dmarc.x.example. TXT \"v=DMARC1; p=reject; rua=mailto:a@y.example\"\ny.example. A 192.0.2.1\n",
                Type::kDmarc),
          "dmarc_rua_refused"));
  EXPECT_FALSE(has(codes("_dmarc.x.example. TXT \"v=DMARC1; p=reject; rua=mailto:a@y.example\"\n"
                         "x.example._report._dmarc.y.example. TXT \"v=DMARC1\"\n",
                         Type::kDmarc),
                   "dmarc_rua_refused"));
}

TEST(Records, HugeTextsEnd) {
  for (const char octet : {'a', ' ', ';', '=', '"', '\\', '\0', '\xff', ':'})
    for (std::size_t i = 0; i < kTypes; ++i)
      for (const char* start : {"", "v=spf1 ", "v=DMARC1; ", "v=DKIM1; p="})
        EXPECT_LE(lint(static_cast<Type>(i), start + std::string(65'535, octet)).size(), 20u);
}

TEST(Records, PlacesAndTypesAreFoundBack) {
  const auto domain = *mail::Domain::parse("x.example");
  for (const Type type : {Type::kDkim, Type::kDmarc, Type::kMtaSts, Type::kTlsRpt, Type::kBimi, Type::kDomainKeys}) {
    const bool selects = type == Type::kDkim || type == Type::kBimi;
    const auto place = place_in(*place_of(type, domain, selects ? "a.b" : ""));
    ASSERT_TRUE(place);
    EXPECT_EQ(place->type, type);
    EXPECT_EQ(place->domain, domain);
  }
  EXPECT_FALSE(place_in(domain));
  EXPECT_EQ(classify("v=spf1 -all"), Type::kSpf);
  EXPECT_EQ(classify("v=dmarc1; p=none"), Type::kDmarc);
  EXPECT_FALSE(classify("some token"));
}

}  // namespace
}  // namespace sekisho::records
