#include <gtest/gtest.h>

#include <cstdlib>
#include <deque>
#include <new>

#include "base/dns/zone.h"
#include "road/identity/spf/spf.h"

#pragma GCC diagnostic ignored "-Wmismatched-new-delete"
namespace {
thread_local std::size_t allocations = 0;
}
void* operator new(std::size_t size) {
  ++allocations;
  if (void* p = std::malloc(size ? size : 1)) return p;
  throw std::bad_alloc();
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }

namespace sekisho::spf {
namespace {

using namespace std::string_literals;
using road::AuthResult;

std::unique_ptr<dns::Resolver> zone(std::string_view text) {
  auto parsed = dns::Zone::parse(text);
  EXPECT_TRUE(parsed.ok()) << (parsed.ok() ? "" : parsed.error().text());
  parsed->add_origin(".");
  return dns::make_overlay(*parsed, nullptr);
}

struct Asked {
  std::string ip = "192.0.2.10", helo = "mail.t.example", mail_from = "user@t.example";
  Identity identity = Identity::kMfrom;
};
Query query_of(const Asked& a) {
  Query q;
  q.client_ip = *core::IpAddress::parse(a.ip);
  q.helo = a.helo, q.mail_from = a.mail_from, q.identity = a.identity;
  q.receiver = "mx.sekisho.example", q.now_s = 1768435200;
  return q;
}
Evaluation check(std::string_view zone_text, const Asked& asked = {}) {
  const auto resolver = zone(zone_text);
  core::Budget budget;
  return core::run_ready(evaluate(query_of(asked), *resolver, budget));
}

// Answers only when told to.
class Held final : public dns::Resolver {
 public:
  explicit Held(dns::Resolver& below) : below_(below) {}
  dns::AnswerPtr ready(const dns::Name&, dns::Type) override { return nullptr; }
  core::Task<dns::AnswerPtr> lookup(dns::Name name, dns::Type type, core::Budget& budget) override {
    if (!budget.take_query()) {
      auto none = std::make_shared<dns::Answer>();
      none->code = dns::Code::kNotAllowed;
      co_return none;
    }
    asked.push_back(name.text());
    Wait wait{waiting};
    co_await wait;
    co_return co_await below_.lookup(std::move(name), type, unlimited_);
  }
  std::vector<std::string> asked;
  std::deque<std::coroutine_handle<>> waiting;

 private:
  struct Wait {
    std::deque<std::coroutine_handle<>>& waiting;
    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> h) const { waiting.push_back(h); }
    void await_resume() const {}
  };
  dns::Resolver& below_;
  core::Budget unlimited_{.dns_queries = 100000};
};
Evaluation check_held(Held& held, const Query& query, core::Budget& budget, const Settings& settings = {},
                      core::FixedClock* clock = nullptr) {
  auto task = evaluate(query, held, budget, settings);
  task.start();
  while (!held.waiting.empty()) {
    auto next = held.waiting.front();
    held.waiting.pop_front();
    if (clock) clock->advance_ms(3000);
    core::resume(next);
  }
  EXPECT_TRUE(task.done());
  return task.take();
}

TEST(Spf, SaysWhatMatched) {
  const auto got = check("t.example. TXT \"v=spf1 a +ip4:192.0.2.0/24 -all\"\nt.example. A 203.0.113.1");
  EXPECT_EQ(got.result, AuthResult::kPass);
  EXPECT_EQ(got.reason, "matched ip4:192.0.2.0/24");
  EXPECT_EQ(got.domain, "t.example");
  EXPECT_EQ(got.lookups, 1u);
  EXPECT_TRUE(got.findings.empty());
  EXPECT_EQ(check("t.example. TXT \"v=spf1 -all\"").reason, "matched -all");
  EXPECT_EQ(check("t.example. TXT \"v=spf1 redirect=u.example\"\nu.example. TXT \"v=spf1 ~all\"").reason,
            "matched ~all of u.example");
  EXPECT_EQ(check("t.example. TXT x").reason, "no SPF record");
  EXPECT_EQ(check("u.example. TXT x").reason, "the domain does not exist");
  EXPECT_EQ(check("t.example. TXT \"v=spf1 ip4:192.0.2 -all\"").reason, "syntax error in ip4:192.0.2");
}

TEST(Spf, IdentityAndItsDomain) {
  const char* records =
      "t.example. TXT \"v=spf1 -all\"\nhelo.example. TXT \"v=spf1 +a:helo.example -all\"\nhelo.example. A 192.0.2.10";
  auto got = check(records, {.helo = "Helo.Example.", .mail_from = ""});
  EXPECT_EQ(got.result, AuthResult::kPass);
  EXPECT_EQ(got.identity, Identity::kHelo);
  EXPECT_EQ(got.domain, "helo.example");
  got = check(records, {.helo = "helo.example", .identity = Identity::kHelo});
  EXPECT_EQ(got.result, AuthResult::kPass);
  EXPECT_EQ(check(records, {.mail_from = "T.EXAMPLE"}).result, AuthResult::kFail);  // no local part
  EXPECT_EQ(check(records, {.mail_from = "\"a@b\"@t.example."}).result, AuthResult::kFail);
  EXPECT_EQ(check("xn--r8jz45g.example. TXT \"v=spf1 -all\"", {.mail_from = "a@例え.example"}).result,
            AuthResult::kFail);
}

TEST(Spf, AnyOctetsAreEvaluated) {
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  for (const auto& odd :
       {""s, "@"s, "."s, "@."s, "a@"s, "-"s, all, "a@" + all, "a@t..example"s, "a@.t.example"s, "a@[192.0.2.1]"s,
        "a@localhost"s, "a@t .example"s, "a@t.example\0"s, "a@bank.example(.attacker.example"s,
        "a@bank.example'.attacker.example"s, "a@" + std::string(64, 'x') + ".example", "a@" + std::string(100000, '.'),
        std::string(100000, '@')}) {
    const auto got = check("t.example. TXT \"v=spf1 +all\"", {.helo = odd, .mail_from = odd});
    EXPECT_EQ(got.result, AuthResult::kNone) << odd.substr(0, 300);
    for (char c : got.domain.view()) EXPECT_TRUE(c >= 0x20 && c < 0x7f);
  }
}

TEST(Spf, LimitsOfLookups) {
  std::string chain;
  for (int i = 0; i < 11; ++i)
    chain += "i" + std::to_string(i) + ".example. TXT \"v=spf1 include:i" + std::to_string(i + 1) + ".example -all\"\n";
  chain += "i11.example. TXT \"v=spf1 ip4:192.0.2.10 -all\"\n";
  EXPECT_EQ(check(chain, {.mail_from = "a@i0.example"}).result, AuthResult::kPermError);
  EXPECT_EQ(check(chain, {.mail_from = "a@i1.example"}).result, AuthResult::kPass);
  EXPECT_EQ(check("t.example. TXT \"v=spf1 redirect=t.example\"").result, AuthResult::kPermError);
  EXPECT_EQ(check("t.example. TXT \"v=spf1 a:v1.x a:v2.x ip4:192.0.2.10\"").result, AuthResult::kPass);
  EXPECT_EQ(check("t.example. TXT \"v=spf1 a:v1.x a:v2.x a:v3.x ip4:192.0.2.10\"").result, AuthResult::kPermError);
  EXPECT_EQ(check("t.example. TXT \"v=spf1 exists:%{p}.x.example ptr ptr ptr ptr ptr ptr ptr ptr ptr ip4:192.0.2.10\"\n"
                  "10.2.0.192.in-addr.arpa. PTR a.example.\n*.x.example. TXT x")
                .result,
            AuthResult::kPermError);  // %{p} counts: 11
}

// Section 4.6.4 counts terms: hosts of one mx without an address of the client's family are one.
TEST(Spf, OneTermIsOneVoidLookup) {
  const auto got = check(
      "t.example. TXT \"v=spf1 mx ip6:2001:db8::/32 -all\"\nt.example. MX 1 a.example.\nt.example. MX 2 b.example.\n"
      "t.example. MX 3 c.example.\na.example. A 192.0.2.1\nb.example. A 192.0.2.1\nc.example. A 192.0.2.1",
      {.ip = "2001:db8::1"});
  EXPECT_EQ(got.result, AuthResult::kPass);
  EXPECT_EQ(got.void_lookups, 1u);
}

TEST(Spf, ExchangesAndPointers) {
  std::string eleven = "t.example. TXT \"v=spf1 mx ?all\"\n", names = "t.example. TXT \"v=spf1 ptr -all\"\n";
  for (int i = 0; i < 11; ++i) {
    const auto n = std::to_string(i);
    eleven += "t.example. MX 1 h" + n + ".t.example.\nh" + n + ".t.example. A 192.0.2.10\n";
    names += "10.2.0.192.in-addr.arpa. PTR h" + n + ".t.example.\n";
  }
  EXPECT_EQ(check(eleven).result, AuthResult::kPermError);
  EXPECT_EQ(check(names + "h9.t.example. A 192.0.2.10").result, AuthResult::kPass);
  EXPECT_EQ(check(names + "h10.t.example. A 192.0.2.10").result, AuthResult::kFail);  // the eleventh is ignored
  EXPECT_EQ(check(names + ";!servfail h0.t.example.\nh1.t.example. A 192.0.2.10").result, AuthResult::kPass);
  EXPECT_EQ(check("t.example. TXT \"v=spf1 ptr -all\"\n;!timeout 10.2.0.192.in-addr.arpa.").result, AuthResult::kFail);
  EXPECT_EQ(check("t.example. TXT \"v=spf1 mx ?all\"\nt.example. MX 0 .").result, AuthResult::kNeutral);
  EXPECT_EQ(check("t.example. TXT \"v=spf1 mx ?all\"\nt.example. MX 0 h.example.\n;!servfail h.example.").result,
            AuthResult::kTempError);
}

TEST(Spf, TemporaryIsNeverNone) {
  EXPECT_EQ(check(";!timeout t.example.").result, AuthResult::kTempError);
  EXPECT_EQ(check("t.example. TXT \"v=spf1 include:u.example -all\"\n;!servfail u.example.").result,
            AuthResult::kTempError);
  EXPECT_EQ(check("t.example. TXT \"v=spf1 redirect=u.example\"\n;!servfail u.example.").result,
            AuthResult::kTempError);
  EXPECT_EQ(check("t.example. TXT \"v=spf1 a -all\"\n;!timeout t.example. A").result, AuthResult::kTempError);
}

TEST(Spf, MappedClientsAreIpv4) {
  EXPECT_EQ(check("t.example. TXT \"v=spf1 ip4:192.0.2.10 -all\"", {.ip = "::ffff:192.0.2.10"}).result,
            AuthResult::kPass);
  EXPECT_EQ(check("t.example. TXT \"v=spf1 ip6:::ffff:192.0.2.10 ip6:::/0 -all\"").result, AuthResult::kFail);
  EXPECT_EQ(check("t.example. TXT \"v=spf1 ip6:::ffff:1.2.3.4/0 -all\"", {.ip = "2001:db8::1"}).result,
            AuthResult::kPass);
  EXPECT_EQ(check("t.example. TXT \"v=spf1 ip4:0.0.0.0/0 -all\"", {.ip = "2001:db8::1"}).result, AuthResult::kFail);
}

TEST(Spf, LocalPartsBeyondAsciiMatchNothing) {  // RFC 8616 section 4
  const Asked eight{.mail_from = "\xe9@t.example"};
  EXPECT_EQ(check("t.example. TXT \"v=spf1 exists:%{L}.x.example ~all\"\n*.x.example. A 192.0.2.1", eight).result,
            AuthResult::kSoftFail);
  EXPECT_EQ(check("t.example. TXT \"v=spf1 include:%{s}.x.example ~all\"", eight).result, AuthResult::kSoftFail);
  EXPECT_EQ(check("t.example. TXT \"v=spf1 redirect=%{l}.x.example\"", eight).result, AuthResult::kNeutral);
  const Asked junk{.helo = "a b"};
  EXPECT_EQ(check("t.example. TXT \"v=spf1 a:%{h} ptr:%{h} ~all\"", junk).result, AuthResult::kSoftFail);
  EXPECT_EQ(check("t.example. TXT \"v=spf1 include:%{h} ~all\"", junk).result, AuthResult::kPermError);
  EXPECT_EQ(check("t.example. TXT \"v=spf1 redirect=%{h}\"", junk).result, AuthResult::kPermError);
}

TEST(Spf, PassThatProvesNothingIsMarked) {
  const auto code = [](std::string_view record, std::string more = "") {
    const auto got = check("t.example. TXT \"" + std::string(record) + "\"\n" + more);
    EXPECT_EQ(got.result, AuthResult::kPass);
    return got.findings.empty() ? "" : std::string(got.findings[0].code);
  };
  EXPECT_EQ(code("v=spf1 +all"), "spf_pass_all");
  EXPECT_EQ(code("v=spf1 include:u.example -all", "u.example. TXT \"v=spf1 all\""), "spf_pass_all");
  EXPECT_EQ(code("v=spf1 ip4:0.0.0.0/0"), "spf_pass_all");
  EXPECT_EQ(code("v=spf1 ip4:128.0.0.0/1"), "spf_pass_wide");
  EXPECT_EQ(code("v=spf1 ip4:192.0.0.0/8"), "");
  EXPECT_EQ(code("v=spf1 -include:u.example ip4:192.0.2.10", "u.example. TXT \"v=spf1 ?all\""), "");
}

TEST(Spf, Explanation) {
  const auto text = [](std::string_view zone_text) { return check(zone_text).explanation; };
  EXPECT_EQ(text("t.example. TXT \"v=spf1 -all exp=e.%{d}\"\ne.t.example. TXT \"%{i} is not %{s} at %{R}\""),
            "192.0.2.10 is not user@t.example at mx.sekisho.example");
  EXPECT_EQ(text("t.example. TXT \"v=spf1 -all exp=e.t.example\"\ne.t.example. TXT a\ne.t.example. TXT b"), "");
  EXPECT_EQ(text("t.example. TXT \"v=spf1 ~all exp=e.t.example\"\ne.t.example. TXT a"), "");
  // Neither the limit of look-ups nor a fault on the way changes the result.
  const auto got = check(
      "t.example. TXT \"v=spf1 a a a a a a a a a a -all exp=%{p}.e.t.example\"\nt.example. A "
      "203.0.113.9\nunknown.e.t.example. TXT hello");
  EXPECT_EQ(got.explanation, "hello");
  EXPECT_EQ(got.lookups, 10u);
  EXPECT_EQ(check("t.example. TXT \"v=spf1 -all exp=e.t.example\"\n;!timeout e.t.example.").result, AuthResult::kFail);
}

TEST(Spf, LateAnswersGiveTheSameAndHostsAreAskedAtOnce) {
  const auto below = zone(
      "t.example. TXT \"v=spf1 mx include:u.example -all\"\nt.example. MX 1 a.example.\nt.example. MX 2 b.example.\n"
      "a.example. A 203.0.113.1\nb.example. A 203.0.113.2\nu.example. TXT \"v=spf1 ip4:192.0.2.10\"");
  Held held(*below);
  core::Budget budget;
  const Asked asked;
  const auto query = query_of(asked);
  const auto got = check_held(held, query, budget);
  EXPECT_EQ(got.result, AuthResult::kPass);
  EXPECT_EQ(held.asked, (std::vector<std::string>{"t.example", "t.example", "a.example", "b.example", "u.example"}));
  EXPECT_EQ(budget.dns_queries, 95u);
  core::Budget poor{.dns_queries = 3};
  EXPECT_EQ(check_held(held, query, poor).result, AuthResult::kPermError);
}

TEST(Spf, ElapsedTimeIsLimited) {
  std::string records =
      "t.example. TXT \"v=spf1 a:a0.example a:a1.example a:a2.example a:a3.example a:a4.example a:a5.example "
      "a:a6.example -all\"\n";
  for (int i = 0; i < 7; ++i) records += "a" + std::to_string(i) + ".example. A 203.0.113.1\n";
  const auto below = zone(records);
  Held held(*below);
  core::Budget budget;
  core::FixedClock clock(1768435200);
  Settings settings;
  settings.clock = &clock;
  const Asked asked;
  const auto got = check_held(held, query_of(asked), budget, settings, &clock);
  EXPECT_EQ(got.result, AuthResult::kTempError);
  EXPECT_EQ(got.domain, "t.example");
  EXPECT_EQ(held.asked.size(), 7u);
}

TEST(Spf, AnEmptyBudgetIsTooComplex) {
  const auto resolver = zone("t.example. TXT \"v=spf1 ip4:192.0.2.10 -all\"");
  core::Budget budget{.steps = 10};
  const Asked asked;
  EXPECT_EQ(core::run_ready(evaluate(query_of(asked), *resolver, budget)).result, AuthResult::kPermError);
}

TEST(Spf, TheReadyPathAllocatesNothing) {
  const auto resolver = zone(
      "t.example. TXT \"v=spf1 a mx include:a-longer-name.u.example exists:%{ir}.x.example -all\"\nt.example. A "
      "203.0.113.1\n"
      "t.example. MX 1 a-longer-name.example.\na-longer-name.example. A 203.0.113.1\n"
      "a-longer-name.u.example. TXT \"v=spf1 ip4:203.0.113.0/24 ip4:192.0.2.0/24 -all\"");
  const Asked asked;
  const auto query = query_of(asked);
  core::Budget budget;
  ASSERT_EQ(try_evaluate(query, *resolver, budget)->result, AuthResult::kPass);
  const auto before = allocations;
  const auto got = try_evaluate(query, *resolver, budget);
  EXPECT_EQ(allocations, before);
  EXPECT_EQ(got->reason, "matched include:a-longer-name.u.example");
}

}  // namespace
}  // namespace sekisho::spf
