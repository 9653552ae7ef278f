#include "road/identity/guard/guard.h"

#include <gtest/gtest.h>

#include <chrono>

namespace sekisho::guard {
namespace {

using road::AuthResult;

mail::Domain domain(std::string_view text) { return *mail::Domain::parse(text); }

Protected row(std::string_view name) {
  Protected out{domain(name)};
  out.why = "ours";
  return out;
}

class Guard : public ::testing::Test {
 protected:
  Guard() {
    rows.push_back(row("docomo.ne.jp"));
    rows.back().display_names = {"NTTドコモ", "au"};
    rows.push_back(row("bank.example"));
    rows.back().subdomains = false;
    rows.back().strict = true;
    rows.back().demand = Demand::kMark;
  }
  Evaluation judge(const std::string& from) {
    core::Budget budget;
    const auto message = mail::Message::parse("From: " + from + "\r\n\r\n", budget);
    EXPECT_TRUE(message);
    author = author::evaluate(**message, budget);
    const List list(rows, forwarders, &*psl);
    Inputs inputs{author, dmarc};
    inputs.psl = &*psl;
    inputs.identities = identities;
    inputs.vouched_by = vouched_by;
    inputs.client_ip = *core::IpAddress::parse("192.0.2.9");
    return evaluate(inputs, list);
  }
  static std::string codes(const Evaluation& e) {
    std::string out;
    for (const auto& f : e.findings) out += (out.empty() ? "" : " ") + std::string(f.code);
    return out;
  }
  void signed_by(std::string_view d, AuthResult result = AuthResult::kPass) {
    identities.push_back({Evidence::kSignature, result, domain(d)});
  }
  void sent_by(std::string_view d, AuthResult result = AuthResult::kPass) {
    identities.push_back({Evidence::kAddress, result, domain(d)});
  }

  std::vector<Protected> rows;
  std::vector<Forwarder> forwarders;
  std::vector<Identity> identities;
  std::string vouched_by;
  dmarc::Evaluation dmarc;
  author::Author author;
  std::optional<dmarc::PublicSuffixList> psl = dmarc::PublicSuffixList::system();
};

TEST_F(Guard, AnEmptyListAsksNothing) {
  rows.clear();
  EXPECT_EQ(codes(judge("a@docomo.ne.jp")), "");
  EXPECT_EQ(judge("a@docomo.ne.jp").result, AuthResult::kNone);
}

TEST_F(Guard, ForeignDomainsAreNotAsked) { EXPECT_EQ(judge("a@other.example").result, AuthResult::kNone); }

TEST_F(Guard, UnprovenIsFound) {
  const auto e = judge("a@docomo.ne.jp");
  EXPECT_EQ(e.result, AuthResult::kFail);
  EXPECT_EQ(e.domain, "docomo.ne.jp");
  EXPECT_EQ(codes(e), "protected_unproven");
  EXPECT_EQ(codes(judge("a@bank.example")), "protected_doubtful");
  EXPECT_EQ(codes(judge("a@mail.docomo.ne.jp")), "protected_unproven");
  EXPECT_EQ(codes(judge("a@mail.bank.example")), "");
  EXPECT_EQ(codes(judge("a..b.@docomo.ne.jp")), "protected_unproven");
  EXPECT_EQ(codes(judge("A@DoCoMo.NE.JP")), "protected_unproven");
}

TEST_F(Guard, AddressAndSignatureProve) {
  sent_by("docomo.ne.jp");
  const auto by_address = judge("a@docomo.ne.jp");
  EXPECT_EQ(by_address.result, AuthResult::kPass);
  EXPECT_EQ(by_address.rests_on, Evidence::kAddress);
  identities.clear();
  sent_by("other.example"), signed_by("m.docomo.ne.jp");
  const auto by_signature = judge("a@docomo.ne.jp");
  EXPECT_EQ(by_signature.rests_on, Evidence::kSignature);
  EXPECT_EQ(by_signature.identity, "m.docomo.ne.jp");
}

TEST_F(Guard, StrangersProveNothing) {
  sent_by("other.ne.jp"), signed_by("docomo.ne.jp.evil.example"), signed_by("ne.jp"), sent_by("xdocomo.ne.jp");
  signed_by("docomo.ne.jp", AuthResult::kFail), signed_by("docomo.ne.jp", AuthResult::kPolicy);
  sent_by("docomo.ne.jp", AuthResult::kSoftFail), sent_by("docomo.ne.jp", AuthResult::kNeutral);
  EXPECT_EQ(judge("a@docomo.ne.jp").result, AuthResult::kFail);
}

TEST_F(Guard, StrictTakesTheDomainItselfOnly) {
  signed_by("mail.bank.example");
  EXPECT_EQ(judge("a@bank.example").result, AuthResult::kFail);
  signed_by("bank.example");
  EXPECT_EQ(judge("a@bank.example").result, AuthResult::kPass);
}

TEST_F(Guard, TheOwnersRecordNarrows) {
  signed_by("m.docomo.ne.jp");
  dmarc.record.emplace();
  dmarc.author_domain = domain("docomo.ne.jp");
  dmarc.result = AuthResult::kFail;  // adkim=s
  EXPECT_EQ(judge("a@docomo.ne.jp").result, AuthResult::kFail);
  dmarc.dkim_aligned = true;
  EXPECT_EQ(judge("a@docomo.ne.jp").result, AuthResult::kPass);
}

TEST_F(Guard, ADnsFaultLeavesItOpen) {
  signed_by("other.example", AuthResult::kTempError);
  EXPECT_EQ(codes(judge("a@docomo.ne.jp")), "protected_unproven") << "whose fault it is matters";
  signed_by("docomo.ne.jp", AuthResult::kTempError);
  EXPECT_EQ(codes(judge("a@docomo.ne.jp")), "protected_temperror");
  sent_by("docomo.ne.jp");
  EXPECT_EQ(codes(judge("a@docomo.ne.jp")), "protected_proven");
}

TEST_F(Guard, ArcCountsOnlyWhereItIsSaid) {
  vouched_by = "lists.example";
  EXPECT_EQ(judge("a@docomo.ne.jp").result, AuthResult::kFail);
  rows.front().trust_arc = true;
  EXPECT_EQ(judge("a@docomo.ne.jp").rests_on, Evidence::kArc);
}

TEST_F(Guard, DeclaredForwarders) {
  Forwarder by_address;
  by_address.network = core::Network::parse("192.0.2.0/28");
  by_address.name = "192.0.2.0/28";
  by_address.why = "alumni";
  forwarders.push_back(by_address);
  const auto e = judge("a@docomo.ne.jp");
  EXPECT_EQ(codes(e), "protected_forwarded");
  EXPECT_EQ(e.why, "alumni");
  forwarders.front().network = core::Network::parse("192.0.2.128/28");
  EXPECT_EQ(codes(judge("a@docomo.ne.jp")), "protected_unproven");
  Forwarder by_name;
  by_name.domain = domain("forward.example");
  by_name.name = "forward.example";
  forwarders = {by_name};
  sent_by("notforward.example"), sent_by("forward.example", AuthResult::kSoftFail);
  EXPECT_EQ(codes(judge("a@docomo.ne.jp")), "protected_unproven");
  sent_by("srs.forward.example");
  EXPECT_EQ(codes(judge("a@docomo.ne.jp")), "protected_forwarded");
}

TEST_F(Guard, OfSeveralAuthorsEachMustBeProven) {
  sent_by("docomo.ne.jp");
  EXPECT_EQ(judge("a@docomo.ne.jp, b@other.example").result, AuthResult::kPass);
  EXPECT_EQ(judge("b@bank.example, a@docomo.ne.jp").result, AuthResult::kFail);
  EXPECT_EQ(codes(judge("b@other.example, a@bank.example")), "protected_doubtful");
}

TEST_F(Guard, LookAlikeDomains) {
  const char* alike[] = {"d\xd0\xbe\x63omo.ne.jp", "docorno.ne.jp",         "d0com0.ne.jp",
                         "mail.docorno.ne.jp",     "docomo.ne.jp.evil.com", "docomo-ne-jp.com",
                         "login.docomo-ne-jp.com", "my-docomo-ne-jp-x.com", "docorno.com",
                         "xn--dcomo-jye.ne.jp",    "ｄｏｃｏｒｎｏ.ne.jp"};
  for (const char* name : alike)
    if (const auto parsed = mail::Domain::parse(name)) {
      const auto e = judge("a@" + parsed->text());
      EXPECT_NE(codes(e).find("protected_lookalike"), std::string::npos) << name << " " << parsed->unicode();
    } else {
      ADD_FAILURE() << name;
    }
}

TEST_F(Guard, HonestNeighboursAreNoLookAlikes) {
  for (const char* name : {"softbank.ne.jp", "docomo.example", "ne.jp", "example.ne.jp", "comodo.com", "mail.example",
                           "bank.jp", "mybank.example", "mail.bank.example", "xn--r8jz45g.example", "xn--0.example",
                           "ezweb.ne.jp", "banks.example", "a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r.s.t.example"})
    EXPECT_EQ(codes(judge(std::string("a@") + name)), "") << name;
}

TEST_F(Guard, TheNameThatThePhoneShows) {
  const char* lies[] = {
      "\"alice@docomo.ne.jp\" <x@evil.example>",
      "=?utf-8?B?77yh77yg772E772P772D772P772N772P77yO772O772F77yO772K772Q?= <x@evil.example>",
      "\"support docomo.ne.jp\" <x@evil.example>",
      "=?utf-8?Q?NTT=E3=83=89=E3=82=B3=E3=83=A2=E3=82=B5=E3=83=9D=E3=83=BC=E3=83=88?= <x@evil.example>",
      "=?utf-8?Q?docomo.=E2=80=8Bne=E2=80=8B.jp?= <x@evil.example>",
      "=?utf-8?Q?=E3=83=89=E3=82=B3=E3=83=A2docomo=E3=80=82ne=E3=80=82jp?= <x@evil.example>",
      "=?utf-8?Q?=E2=80=AEdocomo.ne.jp?= <x@evil.example>",
      "\"docorno.ne.jp\" <x@evil.example>",
      "x@evil.example (docomo.ne.jp)",
      "au <x@evil.example>",
      "=?us-ascii?Q?=4E=54=54?= =?utf-8?B?44OJ44Kz44Oi?= <x@evil.example>"};
  for (const char* from : lies)
    EXPECT_NE(codes(judge(from)).find("display_name_protected"), std::string::npos)
        << from << " " << codes(judge(from));
  for (const char* from : {"Laura <x@evil.example>", "\"x@evil.example\" <x@evil.example>", "Docomo <x@evil.example>"})
    EXPECT_EQ(codes(judge(from)), "") << from;
  sent_by("docomo.ne.jp");
  EXPECT_EQ(codes(judge("\"NTT docomo.ne.jp\" <x@docomo.ne.jp>")), "protected_proven");
  EXPECT_EQ(codes(judge("\"a@docomo.ne.jp\" <x@bank.example>")), "protected_doubtful display_name_protected");
}

TEST_F(Guard, NoNameCostsMuch) {
  std::string many, dots, zero_width;
  for (int i = 0; i < 2000; ++i) many += "x" + std::to_string(i) + ".\xd0\xb0.jp ";
  for (int i = 0; i < 5000; ++i) dots += "a.";
  for (int i = 0; i < 10000; ++i) zero_width += "\xe2\x80\x8b";
  for (const std::string& name :
       {many, dots, zero_width + "docomo.ne.jp", std::string(10000, 'a'), std::string(60000, '@')}) {
    const auto started = std::chrono::steady_clock::now();
    judge("\"" + name + "\" <x@evil.example>");
    EXPECT_LT(std::chrono::steady_clock::now() - started, std::chrono::milliseconds(200)) << name.size();
  }
  EXPECT_EQ(codes(judge("\"" + std::string(10000, ' ') + "docomo.ne.jp\" <x@evil.example>")), "display_name_protected");
}

}  // namespace
}  // namespace sekisho::guard
