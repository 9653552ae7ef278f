#include "base/dns/zone.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/dns/dns_test_support.h"

namespace sekisho::dns {
namespace {

using namespace std::string_literals;

struct Fixture {
  explicit Fixture(const Zone& zone, std::unique_ptr<Resolver> below = nullptr)
      : overlay(make_overlay(zone, std::move(below))) {}
  explicit Fixture(std::string_view text) {
    auto zone = Zone::parse(text);
    EXPECT_TRUE(zone.ok()) << (zone ? "" : zone.error().text());
    overlay = make_overlay(zone ? *zone : Zone(), nullptr);
  }
  AnswerPtr ask(std::string_view owner, Type type) { return overlay->ready(name(owner), type); }
  std::unique_ptr<Resolver> overlay;
};

constexpr std::string_view kExample = R"($ORIGIN example.
$TTL 1h
@  IN SOA ns hostmaster ( 2026010101 ; serial
      3600 600 1w
      120 ) ; minimum
   NS ns
ns 60 IN A 192.0.2.1
   IN 90 AAAA 2001:db8::1
mail A 192.0.2.2
     A 192.0.2.3
@  MX 10 mail
   MX 20 mail.other.
@  TXT "v=spf1 " "mx -all"
   TXT bare words\059\ x
q  TXT "a;b\"c\\d\000e" ; comment
e  TXT ""
s  SPF "v=spf1 -all"
2.2.0.192.in-addr.arpa. PTR mail
_25._tcp.mail TLSA 3 1 1 ( 00ff
   a0 )
g  TYPE65280 \# 4 0a00 0001
h  A \# 4 c0000204
a.b.c A 192.0.2.9
al CNAME mail
al2 CNAME al
out CNAME away.other.org.
gone CNAME nothing
l1 CNAME l2
l2 CNAME l1
*.wild TXT "any"
x.y.wild A 192.0.2.7
*.cw CNAME mail
)";

TEST(Zone, ReadsEveryType) {
  Fixture f(kExample);
  EXPECT_EQ(f.ask("ns.example", Type::kA)->addresses.front().text(), "192.0.2.1");
  EXPECT_EQ(f.ask("ns.example", Type::kA)->ttl_s, 60u);
  EXPECT_EQ(f.ask("ns.example", Type::kAaaa)->addresses.front().text(), "2001:db8::1");
  EXPECT_EQ(f.ask("ns.example", Type::kAaaa)->ttl_s, 90u);
  EXPECT_EQ(f.ask("mail.example", Type::kA)->addresses.size(), 2u);
  EXPECT_EQ(f.ask("mail.example", Type::kA)->ttl_s, 3600u);
  const auto mx = f.ask("example", Type::kMx);
  ASSERT_EQ(mx->exchanges.size(), 2u);
  EXPECT_EQ(mx->exchanges[0].preference, 10);
  EXPECT_EQ(mx->exchanges[0].exchange, name("mail.example"));
  EXPECT_EQ(mx->exchanges[1].exchange, name("mail.other"));
  const auto txt = f.ask("EXAMPLE", Type::kTxt);
  ASSERT_EQ(txt->texts.size(), 2u);
  EXPECT_EQ(txt->texts[0], "v=spf1 mx -all");
  EXPECT_EQ(txt->texts[1], "barewords; x");
  EXPECT_EQ(f.ask("q.example", Type::kTxt)->texts.front(), "a;b\"c\\d\0e"s);
  EXPECT_EQ(f.ask("e.example", Type::kTxt)->texts.front(), "");
  EXPECT_EQ(f.ask("s.example", Type::kSpf)->texts.front(), "v=spf1 -all");
  EXPECT_EQ(f.ask("2.2.0.192.in-addr.arpa", Type::kPtr)->names.front(), name("mail.example"));
  EXPECT_EQ(f.ask("_25._tcp.mail.example", Type::kTlsa)->raw.front(), "\3\1\1\0\xff\xa0"s);
  EXPECT_EQ(f.ask("g.example", static_cast<Type>(65280))->raw.front(), "\x0a\0\0\1"s);
  EXPECT_EQ(f.ask("h.example", Type::kA)->addresses.front().text(), "192.0.2.4");
  EXPECT_EQ(f.ask("example", Type::kNs)->names.front(), name("ns.example"));
  EXPECT_EQ(f.ask("example", Type::kSoa)->raw.size(), 1u);
}

TEST(Zone, NegativeAnswers) {
  Fixture f(kExample);
  EXPECT_EQ(f.ask("nope.example", Type::kA)->code, Code::kNxDomain);
  EXPECT_EQ(f.ask("nope.example", Type::kA)->ttl_s, 120u);  // SOA MINIMUM
  EXPECT_EQ(f.ask("nope.example", Type::kA)->canonical, name("nope.example"));
  EXPECT_EQ(f.ask("mail.example", Type::kTxt)->code, Code::kNoData);
  EXPECT_EQ(f.ask("b.c.example", Type::kA)->code, Code::kNoData);
  EXPECT_EQ(f.ask("c.example", Type::kA)->code, Code::kNoData);
  EXPECT_EQ(f.ask("xc.example", Type::kA)->code, Code::kNxDomain);
  EXPECT_EQ(f.ask("other.org", Type::kA)->code, Code::kServFail);
  EXPECT_EQ(f.ask("org", Type::kA)->code, Code::kServFail);
}

TEST(Zone, FollowsCnames) {
  Fixture f(kExample);
  const auto end = f.ask("al2.example", Type::kA);
  EXPECT_EQ(end->addresses.size(), 2u);
  EXPECT_EQ(end->canonical, name("mail.example"));
  EXPECT_EQ(f.ask("al.example", Type::kMx)->code, Code::kNoData);
  EXPECT_EQ(f.ask("al2.example", Type::kCname)->names.front(), name("al.example"));
  EXPECT_EQ(f.ask("gone.example", Type::kA)->code, Code::kNxDomain);
  EXPECT_EQ(f.ask("gone.example", Type::kA)->canonical, name("nothing.example"));
  EXPECT_EQ(f.ask("l1.example", Type::kA)->code, Code::kMalformed);
  EXPECT_EQ(f.ask("l1.example", static_cast<Type>(65280))->code, Code::kMalformed);
  EXPECT_EQ(f.ask("out.example", Type::kA)->code, Code::kServFail);
}

TEST(Zone, Wildcards) {  // RFC 4592 section 2.2.1
  Fixture f(kExample);
  EXPECT_EQ(f.ask("a.wild.example", Type::kTxt)->texts.front(), "any");
  EXPECT_EQ(f.ask("a.wild.example", Type::kTxt)->canonical, name("a.wild.example"));
  EXPECT_EQ(f.ask("a.b.wild.example", Type::kTxt)->code, Code::kRecords);
  EXPECT_EQ(f.ask("a.wild.example", Type::kA)->code, Code::kNoData);
  EXPECT_EQ(f.ask("x.y.wild.example", Type::kTxt)->code, Code::kNoData);
  EXPECT_EQ(f.ask("z.y.wild.example", Type::kTxt)->code, Code::kNxDomain);
  EXPECT_EQ(f.ask("wild.example", Type::kTxt)->code, Code::kNoData);
  EXPECT_EQ(f.ask("*.wild.example", Type::kTxt)->code, Code::kRecords);
  EXPECT_EQ(f.ask("q.cw.example", Type::kA)->canonical, name("mail.example"));
}

TEST(Zone, OriginsWithoutDirective) {
  Fixture f("a.example. TXT one\n*.w.example TXT two\n");
  EXPECT_EQ(f.ask("a.example", Type::kTxt)->texts.front(), "one");
  EXPECT_EQ(f.ask("x.a.example", Type::kTxt)->code, Code::kNxDomain);
  EXPECT_EQ(f.ask("b.example", Type::kTxt)->code, Code::kServFail);
  EXPECT_EQ(f.ask("q.w.example", Type::kTxt)->texts.front(), "two");
  EXPECT_EQ(f.ask("w.example", Type::kTxt)->code, Code::kNoData);
  Fixture all("$ORIGIN .\na.example TXT one\n");
  EXPECT_EQ(all.ask("b.org", Type::kTxt)->code, Code::kNxDomain);
  EXPECT_EQ(all.ask("example", Type::kTxt)->code, Code::kNoData);
  EXPECT_EQ(all.ask(".", Type::kTxt)->code, Code::kNoData);
}

TEST(Zone, ScriptedFaults) {
  Fixture f(
      "$ORIGIN example.\nbad A 192.0.2.1\n;!servfail bad\n;!timeout slow.example.\n;!timeout t TXT ; why\nt A "
      "192.0.2.1 "
      ";!servfail u\n");
  EXPECT_EQ(f.ask("bad.example", Type::kA)->code, Code::kServFail);
  EXPECT_EQ(f.ask("slow.example", Type::kTxt)->code, Code::kTimeout);
  EXPECT_EQ(f.ask("t.example", Type::kTxt)->code, Code::kTimeout);
  EXPECT_EQ(f.ask("t.example", Type::kA)->code, Code::kRecords);
  EXPECT_EQ(f.ask("u.example", Type::kA)->code, Code::kServFail);

  Zone zone;
  EXPECT_TRUE(zone.add("later.example", Type::kTxt, "v=spf1 a -all"));
  EXPECT_TRUE(zone.add_fault_for_other_types("later.example", Code::kTimeout));
  EXPECT_TRUE(zone.add("m.example", Type::kMx, "10 later.example"));
  EXPECT_FALSE(zone.add("m.example", Type::kMx, "later.example"));
  EXPECT_TRUE(zone.add("c.example", Type::kCname, "later.example"));
  EXPECT_FALSE(zone.add("c.example", Type::kCname, "m.example"));
  Fixture built(zone);
  EXPECT_EQ(built.ask("later.example", Type::kTxt)->texts.front(), "v=spf1 a -all");
  EXPECT_EQ(built.ask("later.example", Type::kA)->code, Code::kTimeout);
  EXPECT_EQ(built.ask("c.example", Type::kA)->code, Code::kTimeout);
}

TEST(Zone, TakesFilesAsEditorsLeaveThem) {
  Fixture f("\xef\xbb\xbf$ORIGIN a.example.\r\n  $TTL 5\r\n@ TXT ( \"x\"\r\n\"y\" ) ; end\r\n\r\n  A 192.0.2.1");
  EXPECT_EQ(f.ask("a.example", Type::kTxt)->texts.front(), "xy");
  EXPECT_EQ(f.ask("a.example", Type::kA)->ttl_s, 5u);
}

TEST(Zone, LongTextIsSplitAndJoined) {
  const std::string text(1000, 'k');
  Fixture f("a.example TXT \"" + text + "\"\n");
  EXPECT_EQ(f.ask("a.example", Type::kTxt)->texts.front(), text);
}

TEST(Zone, ErrorsSayLineAndWhatIsAllowed) {
  const auto wrong = [](std::string_view text) {
    const auto zone = Zone::parse(text);
    return zone ? std::string("accepted") : zone.error().text();
  };
  EXPECT_EQ(wrong("\n\na.example A 192.0.2.300\n"), "line 3: '192.0.2.300' is not an IPv4 address such as 192.0.2.1");
  EXPECT_EQ(wrong("a AAAA 192.0.2.1"), "line 1: '192.0.2.1' is not an IPv6 address such as 2001:db8::1");
  EXPECT_EQ(wrong("a FOO x"), "line 1: 'FOO' is not a type; allowed: A AAAA NS CNAME SOA PTR MX TXT SPF TLSA TYPEn");
  EXPECT_EQ(wrong("a TXT \"x\ny\""), "line 1: a string is not closed on its line; '\"' is missing");
  EXPECT_EQ(wrong("a TXT ( x\ny"), "line 1: '(' is never closed; ')' is missing");
  EXPECT_EQ(wrong("a TXT x )"), "line 1: ')' without '('");
  EXPECT_EQ(wrong("a TXT \\300"), "line 1: '\\x5c300' has a bad escape: \\X or \\DDD (000 to 255) are allowed");
  EXPECT_EQ(wrong(" A 192.0.2.1"),
            "line 1: the first record has no owner; a line that begins with white space takes that of the line before");
  EXPECT_EQ(wrong("$INCLUDE x"), "line 1: '$INCLUDE' is not understood; $ORIGIN and $TTL are allowed");
  EXPECT_EQ(wrong("a MX mail"), "line 1: MX wants a preference (0 to 65535) and a name");
  EXPECT_EQ(wrong("a TYPE9 \\# 2 00"), "line 1: \\# says 2 octets, but there are 1");
  EXPECT_EQ(wrong("a CH A 1.2.3.4"), "line 1: class CH is not served; only IN is allowed");
  EXPECT_EQ(wrong("a CNAME b\na CNAME c"),
            "line 2: a second CNAME for one owner; one is allowed (RFC 2181 section 10.1)");
  EXPECT_EQ(wrong(";!slow a"), "line 1: 'slow' is not a fault; ;!servfail and ;!timeout are allowed");
  EXPECT_EQ(wrong(";! free text\n;!\n;\n"), "accepted");
  EXPECT_EQ(Zone::read("/nonexistent").error().text(), "the zone file /nonexistent cannot be read");
}

class Below final : public Resolver {
 public:
  AnswerPtr ready(const Name&, Type) override { return nullptr; }
  core::Task<AnswerPtr> lookup(Name asked, Type, core::Budget& budget) override {
    auto answer = std::make_shared<Answer>();
    answer->code = budget.take_query() ? Code::kRecords : Code::kNotAllowed;
    answer->canonical = std::move(asked);
    answer->ttl_s = 9999;
    co_return answer;
  }
};

TEST(Zone, OtherNamesGoBelow) {
  Fixture f(*Zone::parse(kExample), std::make_unique<Below>());
  core::Budget budget;
  budget.dns_queries = 4;
  EXPECT_EQ(f.ask("other.org", Type::kA), nullptr);
  EXPECT_EQ(f.ask("out.example", Type::kA), nullptr);
  EXPECT_EQ(f.ask("nope.example", Type::kA)->code, Code::kNxDomain);
  auto far = core::run_ready(f.overlay->lookup(name("other.org"), Type::kA, budget));
  EXPECT_EQ(far->code, Code::kRecords);
  EXPECT_EQ(budget.dns_queries, 3u);
  auto edge = core::run_ready(f.overlay->lookup(name("out.example"), Type::kA, budget));
  EXPECT_EQ(edge->canonical, name("away.other.org"));
  EXPECT_EQ(edge->ttl_s, 3600u);
  EXPECT_EQ(budget.dns_queries, 1u);
  EXPECT_EQ(core::run_ready(f.overlay->lookup(name("mail.example"), Type::kA, budget))->code, Code::kRecords);
  EXPECT_EQ(core::run_ready(f.overlay->lookup(name("mail.example"), Type::kA, budget))->code, Code::kNotAllowed);
}

}  // namespace
}  // namespace sekisho::dns
