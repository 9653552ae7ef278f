#include <gtest/gtest.h>

#include <algorithm>

#include "road/identity/dmarc/dmarc.h"
#include "road/identity/dmarc/map_resolver_test.h"

namespace sekisho::dmarc {
namespace {

using road::AuthResult;
using Zone = MapResolver::Zone;

mail::Domain domain(std::string_view text) { return *mail::Domain::parse(text); }

Inputs from(std::string_view author) {
  Inputs in;
  in.author_domain = domain(author);
  return in;
}
Inputs with_spf(Inputs in, std::string_view name, AuthResult result = AuthResult::kPass) {
  in.spf_result = result;
  in.spf_domain = domain(name);
  return in;
}
Inputs with_dkim(Inputs in, std::string_view name, AuthResult result = AuthResult::kPass) {
  in.dkim.push_back({result, domain(name)});
  return in;
}

Evaluation run(MapResolver& resolver, const Inputs& in, Options options = {}) {
  core::Budget budget;
  return core::run_ready(evaluate(in, resolver, options, budget));
}
Evaluation run(Zone zone, const Inputs& in, Options options = {}) {
  MapResolver resolver(std::move(zone));
  return run(resolver, in, options);
}

const PublicSuffixList& system_list() {
  static const auto list = PublicSuffixList::system();
  return *list;
}
Options by_list() {
  Options options;
  options.method = Method::kPsl;
  options.psl = &system_list();
  return options;
}

bool has(const Evaluation& e, std::string_view code) {
  for (const auto& f : e.findings)
    if (f.code == code) return true;
  return false;
}

TEST(Dmarc, AlignedSpfOrDkimPasses) {
  const Zone zone{{"_dmarc.bank.example", {"v=DMARC1; p=reject"}}};
  auto e = run(zone, with_spf(from("bank.example"), "mail.bank.example"));
  EXPECT_EQ(e.result, AuthResult::kPass);
  EXPECT_TRUE(e.spf_aligned);
  EXPECT_FALSE(e.dkim_aligned);
  e = run(zone, with_dkim(from("news.bank.example"), "bank.example"));
  EXPECT_EQ(e.result, AuthResult::kPass);
  EXPECT_EQ(e.organizational_domain, domain("bank.example"));
  EXPECT_EQ(run(zone, with_dkim(from("bank.example"), "bank.example", AuthResult::kFail)).result, AuthResult::kFail);
}

TEST(Dmarc, TailsAreNotDomains) {
  const Zone zone{{"_dmarc.bank.example", {"v=DMARC1; p=reject"}}};
  const auto e =
      run(zone, with_dkim(with_spf(from("bank.example"), "notbank.example"), "bank.example.attacker.example"));
  EXPECT_EQ(e.result, AuthResult::kFail);
  EXPECT_EQ(e.policy, Policy::kReject);
}

TEST(Dmarc, StrictModes) {
  const Zone zone{{"_dmarc.bank.example", {"v=DMARC1; p=reject; adkim=s"}}};
  EXPECT_EQ(run(zone, with_dkim(from("bank.example"), "mail.bank.example")).result, AuthResult::kFail);
  EXPECT_EQ(run(zone, with_spf(from("bank.example"), "mail.bank.example")).result, AuthResult::kPass);
  EXPECT_EQ(run(zone, with_dkim(from("bank.example"), "bank.example")).result, AuthResult::kPass);
}

TEST(Dmarc, SubdomainPolicies) {
  const Zone zone{{"_dmarc.org.example", {"v=DMARC1; p=none; sp=quarantine; np=reject"}}, {"real.org.example", {"x"}}};
  auto e = run(zone, from("org.example"));
  EXPECT_EQ(e.policy, Policy::kNone);
  EXPECT_EQ(e.policy_tag, "p");
  e = run(zone, from("real.org.example"));
  EXPECT_EQ(e.policy, Policy::kQuarantine);
  EXPECT_EQ(e.policy_tag, "sp");
  EXPECT_EQ(e.author_exists, true);
  EXPECT_EQ(e.policy_domain, domain("org.example"));
  e = run(zone, from("ghost.org.example"));
  EXPECT_EQ(e.policy, Policy::kReject);
  EXPECT_EQ(e.policy_tag, "np");
  EXPECT_EQ(e.author_exists, false);
  EXPECT_TRUE(has(e, "dmarc_author_nonexistent"));
  // Without np= the order is sp=, then p=.
  EXPECT_EQ(run({{"_dmarc.org.example", {"v=DMARC1; p=none; sp=reject"}}}, from("ghost.org.example")).policy,
            Policy::kReject);
  EXPECT_EQ(run({{"_dmarc.org.example", {"v=DMARC1; p=reject"}}}, from("ghost.org.example")).policy, Policy::kReject);
  // A record of its own: sp= and np= of that record say nothing about the domain itself.
  EXPECT_EQ(run({{"_dmarc.a.org.example", {"v=DMARC1; p=none; sp=reject"}}}, from("a.org.example")).policy,
            Policy::kNone);
}

TEST(DmarcTree, AsksAtMostEightNames) {
  MapResolver resolver;
  run(resolver, from("a.b.c.d.e.f.g.h.i.j.mail.example.com"));
  const std::vector<std::string> names{"_dmarc.a.b.c.d.e.f.g.h.i.j.mail.example.com",
                                       "_dmarc.g.h.i.j.mail.example.com",
                                       "_dmarc.h.i.j.mail.example.com",
                                       "_dmarc.i.j.mail.example.com",
                                       "_dmarc.j.mail.example.com",
                                       "_dmarc.mail.example.com",
                                       "_dmarc.example.com",
                                       "_dmarc.com",
                                       "a.b.c.d.e.f.g.h.i.j.mail.example.com"};
  EXPECT_EQ(resolver.asked, names);  // the last one asks whether the author domain exists
}

TEST(DmarcTree, OrganizationalDomain) {
  const auto org = [](Zone zone, std::string_view start) {
    MapResolver resolver(std::move(zone));
    core::Budget budget;
    const auto shown = core::run_ready(show(domain(start), resolver, {}, budget));
    return shown.organizational_domain ? shown.organizational_domain->text() : "";
  };
  const std::string r = "v=DMARC1; p=none", y = "v=DMARC1; psd=y", n = "v=DMARC1; psd=n";
  // The three examples of RFC 9989 section 4.10.2.
  EXPECT_EQ(org({{"_dmarc.mail.example.com", {r}}, {"_dmarc.example.com", {r}}}, "a.mail.example.com"), "example.com");
  EXPECT_EQ(org({{"_dmarc.mail.example.com", {n}}, {"_dmarc.example.com", {r}}}, "a.mail.example.com"),
            "mail.example.com");
  EXPECT_EQ(org({{"_dmarc.com", {y}}}, "a.mail.example.com"), "example.com");
  EXPECT_EQ(org({}, "a.mail.example.com"), "a.mail.example.com");
  EXPECT_EQ(org({{"_dmarc.bank", {y}}}, "bank"), "bank");
  EXPECT_EQ(org({{"_dmarc.bank", {y}}}, "some.bank"), "some.bank");
  EXPECT_EQ(org({{"_dmarc.com", {r}}, {"_dmarc.gov.com", {y}}}, "x.y.gov.com"), "y.gov.com");
  EXPECT_EQ(org({{"_dmarc.c.d.e.f.g.example.com", {y}}}, "m.a.b.c.d.e.f.g.example.com"), "b.c.d.e.f.g.example.com");
  EXPECT_EQ(org({{"_dmarc.example.com", {r, r}}, {"_dmarc.mail.example.com", {r}}}, "mail.example.com"),
            "mail.example.com");
}

TEST(DmarcTree, PublicSuffixPolicyWhenTheOrganizationHasNone) {
  const Zone zone{{"_dmarc.bank", {"v=DMARC1; p=quarantine; sp=none; np=reject; psd=y"}}, {"www.real.bank", {}}};
  auto e = run(zone, from("ghost.bank"));
  EXPECT_EQ(e.policy, Policy::kReject);
  EXPECT_EQ(e.policy_domain, domain("bank"));
  EXPECT_EQ(e.organizational_domain, domain("ghost.bank"));
  EXPECT_EQ(run(zone, from("www.real.bank")).policy, Policy::kNone);
  // Two customers of one registry are strangers.
  EXPECT_EQ(run(zone, with_spf(from("a.bank"), "b.bank")).result, AuthResult::kFail);
}

TEST(DmarcTree, DepartmentsMadeOrganizationsAreNotAligned) {
  const Zone zone{{"_dmarc.example.com", {"v=DMARC1; p=reject"}},
                  {"_dmarc.lab.example.com", {"v=DMARC1; p=none; psd=n"}}};
  EXPECT_EQ(run(zone, with_dkim(from("example.com"), "x.lab.example.com")).result, AuthResult::kFail);
  EXPECT_EQ(run(zone, with_dkim(from("x.lab.example.com"), "example.com")).result, AuthResult::kFail);
  EXPECT_EQ(run(zone, with_dkim(from("x.lab.example.com"), "y.lab.example.com")).result, AuthResult::kPass);
}

TEST(DmarcTree, CustomersOfARegistryWithoutPsdTag) {
  Options options;
  options.psl = &system_list();
  const Zone zone{{"_dmarc.co.jp", {"v=DMARC1; p=reject"}}};
  const auto e = run(zone, with_spf(from("victim.co.jp"), "evil.co.jp"), options);
  EXPECT_EQ(e.result, AuthResult::kFail);
  EXPECT_TRUE(has(e, "dmarc_public_suffix"));
  EXPECT_EQ(run(zone, with_spf(from("co.jp"), "co.jp"), options).result, AuthResult::kPass);
  const Zone own{{"_dmarc.co.jp", {"v=DMARC1; p=reject; psd=n"}}};
  EXPECT_EQ(run(own, with_spf(from("a.co.jp"), "b.co.jp"), options).result, AuthResult::kPass);
}

TEST(Dmarc, NothingFound) {
  const auto e = run({{"_dmarc.org.example", {"v=spf1 -all"}}}, with_spf(from("org.example"), "org.example"));
  EXPECT_EQ(e.result, AuthResult::kNone);
  EXPECT_EQ(e.author_exists, true);
  EXPECT_EQ(run({}, Inputs{}).result, AuthResult::kNone);
}

TEST(Dmarc, SeveralRecordsAreNone) {
  const Zone zone{{"_dmarc.org.example", {"v=DMARC1; p=none", "v=DMARC1; p=reject"}}};
  const auto e = run(zone, from("org.example"));
  EXPECT_EQ(e.result, AuthResult::kNone);
  EXPECT_TRUE(has(e, "dmarc_record_multiple"));
  EXPECT_EQ(run(zone, from("org.example"), by_list()).result, AuthResult::kNone);
  // Tree walk: "they are all discarded", and the walk goes on; RFC 7489: "policy discovery terminates".
  const Zone both{{"_dmarc.a.org.example", {"v=DMARC1; p=none", "v=DMARC1; p=none"}},
                  {"_dmarc.org.example", {"v=DMARC1; p=reject"}}};
  EXPECT_EQ(run(both, from("a.org.example")).policy, Policy::kReject);
  EXPECT_EQ(run(both, from("a.org.example"), by_list()).result, AuthResult::kNone);
}

TEST(Dmarc, MissingOrBadPolicy) {
  EXPECT_EQ(run({{"_dmarc.a.example", {"v=DMARC1"}}}, from("a.example")).result, AuthResult::kFail);
  EXPECT_EQ(run({{"_dmarc.a.example", {"v=DMARC1"}}}, from("a.example")).policy, Policy::kNone);
  EXPECT_EQ(run({{"_dmarc.a.example", {"v=DMARC1"}}}, from("a.example"), by_list()).result, AuthResult::kNone);
  const auto bad = run({{"_dmarc.a.example", {"v=DMARC1; p=rejct"}}}, from("a.example"));
  EXPECT_EQ(bad.result, AuthResult::kNone);
  EXPECT_TRUE(has(bad, "dmarc_record_invalid"));
  const auto rua = run({{"_dmarc.a.example", {"v=DMARC1; p=reject; sp=x; rua=mailto:d@a.example"}}}, from("a.example"));
  EXPECT_EQ(rua.result, AuthResult::kFail);
  EXPECT_EQ(rua.policy, Policy::kNone);
}

TEST(Dmarc, TestingIsOneLevelLower) {
  const auto e = run({{"_dmarc.a.example", {"v=DMARC1; p=reject; t=y; pct=0"}}}, from("a.example"));
  EXPECT_EQ(e.published, Policy::kReject);
  EXPECT_EQ(e.policy, Policy::kQuarantine);
  EXPECT_TRUE(e.testing);
  EXPECT_EQ(run({{"_dmarc.a.example", {"v=DMARC1; p=quarantine; t=y"}}}, from("a.example")).policy, Policy::kNone);
}

TEST(Dmarc, PercentageIsOfTheOldRfc) {
  const Zone zone{{"_dmarc.a.example", {"v=DMARC1; p=reject; pct=30"}}};
  Inputs in = from("a.example");
  in.sample = 30;
  EXPECT_EQ(run(zone, in).policy, Policy::kReject);
  EXPECT_EQ(run(zone, in, by_list()).policy, Policy::kQuarantine);
  in.sample = 29;
  EXPECT_EQ(run(zone, in, by_list()).policy, Policy::kReject);
}

TEST(DmarcList, OrganizationalDomainByTheList) {
  const Zone zone{{"_dmarc.example.co.jp", {"v=DMARC1; p=none; sp=reject"}}, {"_dmarc.co.jp", {"v=DMARC1; p=reject"}}};
  auto e = run(zone, with_spf(from("a.example.co.jp"), "b.example.co.jp"), by_list());
  EXPECT_EQ(e.result, AuthResult::kPass);
  EXPECT_EQ(e.organizational_domain, domain("example.co.jp"));
  EXPECT_EQ(run(zone, with_spf(from("a.example.co.jp"), "other.co.jp"), by_list()).policy, Policy::kReject);
  EXPECT_EQ(run(zone, with_spf(from("co.jp"), "evil.co.jp"), by_list()).result, AuthResult::kFail);
  EXPECT_EQ(run({{"_dmarc.b.foo.kobe.jp", {"v=DMARC1; p=reject"}}}, with_spf(from("b.foo.kobe.jp"), "a.foo.kobe.jp"),
                by_list())
                .result,
            AuthResult::kFail);
}

TEST(Dmarc, FaultsAreTemporaryErrors) {
  MapResolver own;
  own.timeouts.insert("_dmarc.sub.org.example");
  EXPECT_EQ(run(own, with_spf(from("sub.org.example"), "sub.org.example")).result, AuthResult::kTempError);
  EXPECT_EQ(run(own, from("sub.org.example"), by_list()).result, AuthResult::kTempError);
  MapResolver above(Zone{{"_dmarc.sub.org.example", {"v=DMARC1; p=reject"}}});
  above.timeouts.insert("_dmarc.org.example");
  // Identical names need no organizational domain; for others it stays open.
  EXPECT_EQ(run(above, with_spf(from("sub.org.example"), "sub.org.example")).result, AuthResult::kPass);
  EXPECT_EQ(run(above, with_spf(from("sub.org.example"), "org.example")).result, AuthResult::kTempError);
  EXPECT_EQ(run(above, from("sub.org.example")).result, AuthResult::kFail);
}

TEST(Dmarc, TemporaryErrorOfAnAlignedIdentifier) {
  const Zone zone{{"_dmarc.a.example", {"v=DMARC1; p=reject"}}};
  EXPECT_EQ(run(zone, with_dkim(from("a.example"), "a.example", AuthResult::kTempError)).result,
            AuthResult::kTempError);
  EXPECT_EQ(run(zone, with_spf(from("a.example"), "m.a.example", AuthResult::kTempError)).result,
            AuthResult::kTempError);
  EXPECT_EQ(run(zone, with_dkim(from("a.example"), "evil.example", AuthResult::kTempError)).result, AuthResult::kFail);
  EXPECT_EQ(run(zone, with_spf(with_dkim(from("a.example"), "a.example", AuthResult::kTempError), "a.example")).result,
            AuthResult::kPass);
}

TEST(Dmarc, EmptyBudgetIsPermanent) {
  MapResolver resolver(Zone{{"_dmarc.a.example", {"v=DMARC1; p=reject"}}});
  core::Budget budget;
  budget.dns_queries = 0;
  const auto in = from("a.example");
  const auto e = core::run_ready(evaluate(in, resolver, {}, budget));
  EXPECT_EQ(e.result, AuthResult::kPermError);
  EXPECT_TRUE(has(e, "dmarc_too_complex"));
}

TEST(Dmarc, ManySigningDomainsCostFewQueries) {
  MapResolver resolver(Zone{{"_dmarc.a.example", {"v=DMARC1; p=reject"}}});
  auto in = from("a.example");
  for (int i = 0; i < 60; ++i) in = with_dkim(std::move(in), "s" + std::to_string(i) + ".evil.example");
  EXPECT_EQ(run(resolver, in).result, AuthResult::kFail);
  EXPECT_LE(resolver.asked.size(), 3u);
}

TEST(Dmarc, SeveralAuthorDomains) {
  const Zone zone{{"_dmarc.bank.example", {"v=DMARC1; p=reject"}}, {"_dmarc.evil.example", {"v=DMARC1; p=none"}}};
  auto in = with_spf(from("evil.example"), "evil.example");
  in.more_author_domains.push_back(domain("bank.example"));
  auto e = run(zone, in);
  EXPECT_EQ(e.result, AuthResult::kFail);
  EXPECT_EQ(e.policy, Policy::kReject);
  EXPECT_EQ(e.author_domain, domain("bank.example"));
  for (int i = 0; i < 5; ++i)
    in.more_author_domains.insert(in.more_author_domains.begin(), domain("s" + std::to_string(i) + ".evil.example"));
  e = run(zone, in);
  EXPECT_EQ(e.result, AuthResult::kNone);  // not all were looked at
  EXPECT_TRUE(has(e, "dmarc_authors_capped"));
}

TEST(DmarcReport, ForeignDestinationsMustAgree) {
  const Zone zone{
      {"_dmarc.a.example", {"v=DMARC1; p=none; rua=mailto:d@a.example,mailto:x@yes.example,mailto:y@no.example"}},
      {"a.example._report._dmarc.yes.example", {"v=DMARC1"}}};
  const auto e = run(zone, from("a.example"));
  EXPECT_EQ(e.rua, (std::vector<std::string>{"d@a.example", "x@yes.example"}));
  EXPECT_TRUE(has(e, "dmarc_rua_unpermitted"));
  Options quiet;
  quiet.verify_destinations = false;
  EXPECT_EQ(run(zone, from("a.example"), quiet).rua, std::vector<std::string>{"d@a.example"});
}

TEST(Dmarc, SignatureOfASuffixIsNotAligned) {
  Options options;
  options.psl = &system_list();
  const Zone zone{{"_dmarc.victim.co.jp", {"v=DMARC1; p=reject"}}};
  const auto e = run(zone, with_dkim(from("victim.co.jp"), "co.jp"), options);
  EXPECT_EQ(e.result, AuthResult::kFail);
}

TEST(DmarcShow, ByList) {
  MapResolver resolver;
  core::Budget budget;
  const auto shown = core::run_ready(show(domain("a.example.co.jp"), resolver, by_list(), budget));
  EXPECT_EQ(shown.organizational_domain, domain("example.co.jp"));
  EXPECT_EQ(core::run_ready(show(domain("co.jp"), resolver, by_list(), budget)).status, Shown::Status::kPublicSuffix);
}

TEST(DmarcShow, FaultsAreSaid) {
  MapResolver resolver;
  resolver.timeouts.insert("_dmarc.b.example");
  core::Budget budget;
  const auto shown = core::run_ready(show(domain("a.b.example"), resolver, {}, budget));
  EXPECT_EQ(shown.status, Shown::Status::kTemporary);
  EXPECT_FALSE(shown.organizational_domain);
}

std::vector<std::string> permissions(const Evaluation& e) {
  std::vector<std::string> out;
  for (const auto& d : e.destinations) out.push_back(d.address + " " + std::string(word(d.permission)));
  return out;
}

TEST(Dmarc, ADestinationMayNameAnotherAddressOfItsOwnOnly) {
  // RFC 9990 section 4: "the overriding URI MUST use the same destination host".
  const Zone zone{
      {"_dmarc.a.example", {"v=DMARC1; p=none; rua=mailto:x@yes.example,mailto:x@sly.example"}},
      {"a.example._report._dmarc.yes.example", {"v=DMARC1; rua=mailto:y@yes.example,mailto:z@victim.example"}},
      {"a.example._report._dmarc.sly.example", {"v=DMARC1; rua=mailto:z@victim.example"}}};
  const auto e = run(zone, from("a.example"));
  EXPECT_EQ(e.rua, (std::vector<std::string>{"y@yes.example", "x@sly.example"}));
  EXPECT_EQ(permissions(e), (std::vector<std::string>{"x@yes.example given", "x@sly.example given"}));
  EXPECT_EQ(e.destinations[0].asked->text(), "a.example._report._dmarc.yes.example");
}

TEST(Dmarc, WhatIsRefusedOrUnknownIsTold) {
  MapResolver resolver({{"_dmarc.a.example",
                         {"v=DMARC1; p=none; rua=mailto:x@no.example,mailto:x@slow.example,"
                          "mailto:me@sub.a.example; ruf=mailto:f@no.example,mailto:f@ok.example"}},
                        {"a.example._report._dmarc.no.example", {"v=spf1 -all"}},
                        {"a.example._report._dmarc.ok.example", {"v=DMARC1"}}});
  resolver.timeouts.insert("a.example._report._dmarc.slow.example");
  Options options;
  options.failure_destinations = true;
  const auto e = run(resolver, from("a.example"), options);
  EXPECT_EQ(e.rua, std::vector<std::string>{"me@sub.a.example"});
  EXPECT_EQ(permissions(e),
            (std::vector<std::string>{"x@no.example refused", "x@slow.example unknown", "me@sub.a.example own",
                                      "f@no.example refused", "f@ok.example given"}));
  EXPECT_TRUE(has(e, "dmarc_rua_unpermitted"));
  EXPECT_TRUE(has(e, "dmarc_rua_unknown"));
  EXPECT_EQ(std::count(resolver.asked.begin(), resolver.asked.end(), "a.example._report._dmarc.ok.example"), 1);
  const Zone again{{"_dmarc.a.example", {"v=DMARC1; p=none; ruf=mailto:f@no.example"}}};
  EXPECT_TRUE(run(again, from("a.example")).destinations.empty()) << "ruf= costs a mail nothing";
}

TEST(Dmarc, ARegistrysRecordDoesNotSpeakForItsCustomersMailboxes) {
  const Zone zone{{"_dmarc.jp", {"v=DMARC1; p=none; psd=y; rua=mailto:flood@victim.jp"}}};
  Options options;
  options.psl = &system_list();
  EXPECT_TRUE(run(zone, from("mail.shop.jp"), options).rua.empty());
  const Zone silent{{"_dmarc.jp", {"v=DMARC1; p=none; rua=mailto:flood@victim.jp,mailto:own@jp"}}};
  EXPECT_EQ(run(silent, from("shop.jp"), options).rua, std::vector<std::string>{"own@jp"});
  const Zone agreed{{"_dmarc.jp", {"v=DMARC1; p=none; psd=y; rua=mailto:r@nic.jp"}},
                    {"jp._report._dmarc.nic.jp", {"v=DMARC1"}}};
  EXPECT_EQ(run(agreed, from("shop.jp"), options).rua, std::vector<std::string>{"r@nic.jp"});
}

}  // namespace
}  // namespace sekisho::dmarc
