#include "road/verdict/verdict.h"

#include <gtest/gtest.h>

#include <set>

#include "road/verdict/cells.h"

namespace sekisho::verdict {
namespace {

using road::AuthResult;

Facts plain() {
  Facts facts;
  facts.mail_from_domain = "sender.example";
  facts.sender_domain = SenderDomain::kGood;
  facts.spf_mail_from = {AuthResult::kPass, "sender.example", ""};
  facts.dmarc.author_domain = "sender.example";
  return facts;
}
Facts dmarc_fail(OwnerPolicy policy) {
  Facts facts = plain();
  facts.spf_mail_from.result = AuthResult::kNone;
  facts.dmarc.result = AuthResult::kFail;
  facts.dmarc.policy = policy;
  facts.dmarc.author_domain = "bank.example";
  return facts;
}
Verdict judge(const Facts& facts, Moment moment = Moment::kMessage, const Policy& policy = {}) {
  return decide(facts, policy, moment);
}
Verdict judge(std::string_view code, Moment moment = Moment::kMessage) {
  const road::Finding finding{"author", code, AuthResult::kNone, ""};
  Facts facts = plain();
  facts.findings = {&finding, 1};
  return decide(facts, {}, moment);
}
Policy with(std::string_view key, std::string_view value) {
  Policy policy;
  const auto set = policy.set(key, value);
  EXPECT_TRUE(set.ok()) << key;
  return policy;
}

TEST(Verdict, NothingAgainstIt) {
  const auto v = judge(plain());
  EXPECT_EQ(v.action, Action::kAccept);
  EXPECT_TRUE(v.reasons.empty());
  EXPECT_EQ(judge(Facts{}).action, Action::kAccept);
}

TEST(Verdict, SpfFailAloneIsATag) {
  Facts facts = plain();
  facts.spf_mail_from.result = AuthResult::kFail;
  facts.spf_mail_from.explanation = "see http://sender.example/why";
  const auto v = judge(facts);
  EXPECT_EQ(v.action, Action::kTag);
  ASSERT_EQ(v.reasons.size(), 1u);
  EXPECT_EQ(v.reasons[0].code, "spf_fail");
  EXPECT_EQ(judge(facts, Moment::kMailFrom).action, Action::kAccept);
  const auto strict = judge(facts, Moment::kMailFrom, with("policy.spf_fail", "reject"));
  EXPECT_EQ(strict.reply.code, 550);
  EXPECT_EQ(strict.reply.enhanced, "5.7.23");
  ASSERT_EQ(strict.reply.lines.size(), 2u);
  EXPECT_EQ(strict.reply.lines[1], "The domain sender.example explains: see http://sender.example/why");
}

TEST(Verdict, SpfSoftFailAndHeloFail) {
  Facts facts = plain();
  facts.spf_mail_from.result = AuthResult::kSoftFail;
  facts.spf_helo = {AuthResult::kFail, "mail.sender.example", ""};
  EXPECT_EQ(judge(facts).action, Action::kAccept);
  EXPECT_EQ(judge(facts, Moment::kMessage, with("policy.spf_softfail", "tag")).action, Action::kTag);
  EXPECT_EQ(judge(facts, Moment::kMessage, with("policy.spf_helo_fail", "reject")).reply.enhanced, "5.7.23");
}

TEST(Verdict, PermErrorsAreNever5xx) {
  Facts facts = plain();
  facts.spf_mail_from.result = AuthResult::kPermError;
  facts.dkim.push_back({AuthResult::kPermError, "sender.example", true, false});
  EXPECT_EQ(judge(facts).action, Action::kTag);
  Policy policy;
  for (const auto* key : {"policy.spf_permerror", "policy.dkim_permerror", "policy.dmarc_permerror"}) {
    EXPECT_FALSE(policy.set(key, "reject").ok()) << key;
    EXPECT_FALSE(policy.set(key, "defer").ok()) << key;
    EXPECT_TRUE(policy.set(key, "quarantine").ok()) << key;
  }
  facts.dmarc.result = AuthResult::kPermError;
  EXPECT_EQ(judge(facts).action, Action::kTag);
}

TEST(Verdict, TempErrorsWaitFourHours) {
  Facts facts = plain();
  facts.spf_mail_from.result = AuthResult::kTempError;
  auto v = judge(facts);
  EXPECT_EQ(v.action, Action::kDefer);
  EXPECT_EQ(v.reply.code, 451);
  EXPECT_EQ(v.reply.enhanced, "4.7.24");
  facts.temperror_age_s = 4 * 3600 - 1;
  EXPECT_EQ(judge(facts).action, Action::kDefer);
  facts.temperror_age_s = 4 * 3600;
  v = judge(facts);
  EXPECT_EQ(v.action, Action::kTag);
  EXPECT_EQ(v.reasons[0].code, "temperror_expired");
  for (const auto* key : {"policy.spf_temperror", "policy.dkim_temperror", "policy.dmarc_temperror"})
    EXPECT_FALSE(Policy().set(key, "reject").ok()) << key;
}

TEST(Verdict, SpfTempErrorDoesNotMatterWhereDkimProves) {
  Facts facts = plain();
  facts.spf_mail_from.result = AuthResult::kTempError;
  facts.dkim.push_back({AuthResult::kPass, "sender.example", true, false});
  EXPECT_EQ(judge(facts).action, Action::kAccept);
}

TEST(Verdict, DkimTempErrorWaitsUnlessSomethingElseProves) {
  Facts facts = plain();
  facts.dkim.push_back({AuthResult::kTempError, "sender.example", true, false});
  EXPECT_EQ(judge(facts).action, Action::kAccept);
  facts.spf_mail_from.result = AuthResult::kNone;
  const auto v = judge(facts);
  EXPECT_EQ(v.action, Action::kDefer);
  EXPECT_EQ(v.reply.code, 451);
}

TEST(Verdict, DkimFailureIsAsIfUnsigned) {
  Facts facts = plain();
  facts.dkim.push_back({AuthResult::kFail, "sender.example", true, false});
  EXPECT_EQ(judge(facts).action, Action::kAccept);
  const auto strict = with("policy.dkim_fail", "reject");
  EXPECT_EQ(judge(facts, Moment::kMessage, strict).reply.enhanced, "5.7.20");
  facts.dkim[0].testing = true;
  EXPECT_EQ(judge(facts, Moment::kMessage, strict).action, Action::kAccept);
  facts.dkim[0] = {AuthResult::kPolicy, "sender.example", true, false};
  EXPECT_EQ(judge(facts, Moment::kMessage, with("policy.dkim_policy", "tag")).action, Action::kTag);
  facts.dkim.push_back({AuthResult::kPass, "list.example", false, false});
  EXPECT_EQ(judge(facts, Moment::kMessage, with("policy.dkim_policy", "tag")).action, Action::kAccept);
}

TEST(Verdict, DmarcFailFollowsTheOwner) {
  auto v = judge(dmarc_fail(OwnerPolicy::kReject));
  EXPECT_EQ(v.action, Action::kReject);
  EXPECT_EQ(v.reply.code, 550);
  EXPECT_EQ(v.reply.enhanced, "5.7.26");
  EXPECT_NE(v.reply.lines[0].find("bank.example"), std::string::npos);
  EXPECT_EQ(v.reasons[0].code, "dmarc_fail");
  EXPECT_EQ(judge(dmarc_fail(OwnerPolicy::kReject), Moment::kMessage, with("policy.dmarc_reject", "quarantine")).action,
            Action::kQuarantine);
  v = judge(dmarc_fail(OwnerPolicy::kQuarantine));
  EXPECT_EQ(v.action, Action::kQuarantine);
  EXPECT_EQ(judge(dmarc_fail(OwnerPolicy::kNone)).action, Action::kAccept);
}

TEST(Verdict, DmarcPassTakesSpfFailAlong) {
  Facts facts = plain();
  facts.spf_mail_from.result = AuthResult::kTempError;
  facts.dmarc.result = AuthResult::kPass;
  EXPECT_EQ(judge(facts).action, Action::kAccept);
}

TEST(Verdict, ExplainedDmarcFailIsNotRefused) {
  Facts facts = dmarc_fail(OwnerPolicy::kReject);
  facts.explained = Override::kArc;
  const auto v = judge(facts);
  EXPECT_EQ(v.action, Action::kTag);
  EXPECT_EQ(v.override_reason, Override::kArc);
  EXPECT_EQ(v.reasons[0].code, "dmarc_explained");
}

TEST(Verdict, DmarcTestingAndErrors) {
  Facts facts = dmarc_fail(OwnerPolicy::kQuarantine);
  facts.dmarc.testing = true;
  EXPECT_EQ(judge(facts).override_reason, Override::kPolicyTestMode);
  facts.dmarc.result = AuthResult::kTempError;
  const auto v = judge(facts);
  EXPECT_EQ(v.action, Action::kDefer);
  EXPECT_EQ(v.reply.enhanced, "4.4.3");
}

TEST(Verdict, SenderDomains) {
  Facts facts = plain();
  facts.sender_domain = SenderDomain::kNonExistent;
  auto v = judge(facts, Moment::kMailFrom);
  EXPECT_EQ(v.action, Action::kReject);
  EXPECT_EQ(v.reply.code, 550);
  EXPECT_EQ(v.reply.enhanced, "5.1.8");
  facts.sender_domain = SenderDomain::kNullMx;
  v = judge(facts, Moment::kMailFrom);
  EXPECT_EQ(v.reply.code, 550);
  EXPECT_EQ(v.reply.enhanced, "5.7.27");
  facts.sender_domain = SenderDomain::kNoAddress;
  EXPECT_EQ(judge(facts).action, Action::kAccept);
  facts.sender_domain = SenderDomain::kTemporary;
  v = judge(facts, Moment::kMailFrom);
  EXPECT_EQ(v.reply.code, 451);
  EXPECT_EQ(v.reply.enhanced, "4.4.3");
  facts.temperror_age_s = 5 * 3600;
  EXPECT_EQ(judge(facts, Moment::kMailFrom).action, Action::kAccept);
  facts.null_return_path = true;
  facts.sender_domain = SenderDomain::kNonExistent;
  EXPECT_EQ(judge(facts).action, Action::kAccept);
}

TEST(Verdict, AbsenceIsNotFinalWhileTheDnsFails) {
  Facts facts = plain();
  facts.sender_domain = SenderDomain::kNonExistent;
  facts.spf_mail_from.result = AuthResult::kNone;
  facts.dkim.push_back({AuthResult::kTempError, "sender.example", true, false});
  EXPECT_EQ(judge(facts).action, Action::kDefer);
}

TEST(Verdict, AuthorFindings) {
  const auto v = judge("from_multiple");
  EXPECT_EQ(v.action, Action::kReject);
  EXPECT_EQ(v.reply.code, 550);
  EXPECT_EQ(v.reply.enhanced, "5.6.0");
  EXPECT_EQ(judge("bare_cr").action, Action::kReject);
  EXPECT_EQ(judge("too_complex").action, Action::kReject);
  for (const auto* code : {"from_missing", "from_multiple_addresses", "from_ambiguous", "from_in_fold",
                           "from_confusable", "display_name_address_mismatch", "display_name_control",
                           "header_malformed", "dkim_from_unsigned", "dmarc_author_nonexistent", "dmarc_too_complex"})
    EXPECT_EQ(judge(code).action, Action::kTag) << code;
  for (const auto* code :
       {"non_ascii_address", "bare_lf", "from_untidy", "dkim_l_partial", "spf_pass_all", "something_new"})
    EXPECT_EQ(judge(code).action, Action::kAccept) << code;
}

TEST(Verdict, EnvelopeFindings) {
  const std::pair<const char*, const char*> cells[] = {{"relay_denied", "550 5.7.1"},
                                                       {"recipient_unknown", "550 5.1.1"},
                                                       {"recipient_routing", "550 5.1.3"},
                                                       {"other_next_hop", "451 4.5.3"},
                                                       {"state_disk_short", "452 4.3.1"},
                                                       {"limit_ip_mails", "451 4.7.1"},
                                                       {"limit_domain_recipients", "451 4.7.1"},
                                                       {"dha", "451 4.7.1"}};
  for (const auto& [code, reply] : cells) {
    const auto v = judge(code, Moment::kRcptTo);
    EXPECT_EQ(std::to_string(v.reply.code) + " " + v.reply.enhanced, reply) << code;
    EXPECT_EQ(v.reasons[0].code, code);
  }
}

TEST(Verdict, LoopsAndSizes) {
  Facts facts = plain();
  facts.received_count = 50;
  EXPECT_EQ(judge(facts).action, Action::kAccept);
  facts.received_count = 51;
  EXPECT_EQ(judge(facts).reply.code, 554);
  EXPECT_EQ(judge(facts).reply.enhanced, "5.4.6");
  facts = plain();
  facts.size_max_octets = 1000;
  facts.size_octets = 1000;
  EXPECT_EQ(judge(facts).action, Action::kAccept);
  facts.size_octets = 1001;
  EXPECT_EQ(judge(facts, Moment::kMailFrom).reply.code, 552);
  EXPECT_EQ(judge(facts, Moment::kMailFrom).reply.enhanced, "5.3.4");
}

TEST(Verdict, RecipientNullMx) {
  Facts facts = plain();
  facts.recipient_null_mx = true;
  EXPECT_EQ(judge(facts, Moment::kRcptTo).reply.code, 556);
  EXPECT_EQ(judge(facts, Moment::kRcptTo).reply.enhanced, "5.1.10");
  EXPECT_EQ(judge(facts, Moment::kMailFrom).action, Action::kAccept);
}

TEST(Verdict, ReputationExemptions) {
  EXPECT_EQ(judge("rating_low").action, Action::kTag);
  const road::Finding finding{"rating", "rating_low", AuthResult::kNone, "192.0.2.1"};
  Facts facts = plain();
  facts.findings = {&finding, 1};
  const auto strict = with("policy.rating_low", "reject");
  EXPECT_EQ(judge(facts, Moment::kMailFrom, strict).action, Action::kReject);
  facts.null_return_path = true;
  EXPECT_EQ(judge(facts, Moment::kMessage, strict).action, Action::kAccept);
  facts.null_return_path = false;
  facts.exempt_recipient = true;
  EXPECT_EQ(judge(facts, Moment::kMessage, strict).action, Action::kAccept);
}

TEST(Verdict, Iprev) {
  Facts facts = plain();
  facts.iprev = AuthResult::kFail;
  EXPECT_EQ(judge(facts).action, Action::kAccept);
  const auto v = judge(facts, Moment::kConnect, with("policy.iprev_fail", "reject"));
  EXPECT_EQ(v.reply.code, 554);
  EXPECT_EQ(v.reply.enhanced, "5.7.25");
  EXPECT_TRUE(v.reply.close);
  facts.iprev = AuthResult::kPermError;
  EXPECT_EQ(judge(facts, Moment::kConnect, with("policy.iprev_none", "defer")).reply.code, 421);
}

TEST(Verdict, UnauthenticatedIsASetting) {
  Facts facts = plain();
  facts.spf_mail_from.result = AuthResult::kNone;
  EXPECT_EQ(judge(facts).action, Action::kAccept);
  const auto strict = with("policy.unauthenticated", "reject");
  EXPECT_EQ(judge(facts, Moment::kMessage, strict).reply.enhanced, "5.7.26");
  EXPECT_EQ(judge(plain(), Moment::kMessage, strict).action, Action::kAccept);
}

TEST(Verdict, OperatorRulings) {
  Facts facts = plain();
  facts.ruling = Ruling::kDeny;
  facts.ruling_evidence = "192.0.2.1";
  facts.ruling_basis = Basis::kCourtOrder;
  auto v = judge(facts, Moment::kConnect);
  EXPECT_EQ(v.reply.code, 554);
  EXPECT_EQ(v.reasons[0].code, "denied_by_operator");
  EXPECT_EQ(v.basis, Basis::kCourtOrder);
  facts = dmarc_fail(OwnerPolicy::kReject);
  facts.ruling = Ruling::kAllow;
  v = judge(facts);
  EXPECT_EQ(v.action, Action::kAccept);
  EXPECT_EQ(v.would_be, Action::kReject);
  EXPECT_EQ(v.override_reason, Override::kOperator);
  EXPECT_FALSE(v.reasons[0].enforced);
  const road::Finding relay{"envelope", "relay_denied", AuthResult::kNone, "elsewhere.example"};
  facts.findings = {&relay, 1};
  facts.ruling = Ruling::kBypass;
  EXPECT_EQ(judge(facts, Moment::kRcptTo).action, Action::kReject);  // never an open relay
}

TEST(Verdict, ObservedStages) {
  Policy policy;
  policy.modes[static_cast<std::size_t>(Stage::kIdentity)] = Mode::kObserve;
  const auto v = decide(dmarc_fail(OwnerPolicy::kReject), policy, Moment::kMessage);
  EXPECT_EQ(v.action, Action::kAccept);
  EXPECT_EQ(v.would_be, Action::kReject);
  ASSERT_EQ(v.reasons.size(), 1u);
  EXPECT_FALSE(v.reasons[0].enforced);
}

TEST(Verdict, TheHeaviestDecides) {
  Facts facts = dmarc_fail(OwnerPolicy::kReject);
  facts.spf_mail_from = {AuthResult::kFail, "sender.example", "x"};
  const auto v = judge(facts);
  EXPECT_EQ(v.action, Action::kReject);
  ASSERT_EQ(v.reasons.size(), 2u);
  EXPECT_EQ(v.reasons[0].code, "dmarc_fail");
  EXPECT_EQ(v.reasons[1].code, "spf_fail");
  EXPECT_EQ(v.reply.lines.size(), 1u);
}

TEST(Verdict, LawfulBasis) {
  Policy policy;
  policy.operator_kind = Operator::kCarrier;
  EXPECT_EQ(decide(dmarc_fail(OwnerPolicy::kReject), policy, Moment::kMessage).basis, Basis::kLegitimateBusinessAct);
  EXPECT_EQ(judge(dmarc_fail(OwnerPolicy::kReject)).basis, Basis::kConsent);
  Facts facts = plain();
  facts.received_count = 99;
  EXPECT_EQ(judge(facts).basis, Basis::kSelfDefence);
}

TEST(Verdict, RepliesHoldNoControls) {
  Facts facts = dmarc_fail(OwnerPolicy::kReject);
  facts.dmarc.author_domain = std::string("a\r\n250 ok\0", 10);
  for (const auto& line : judge(facts).reply.lines)
    for (const char c : line) EXPECT_TRUE(c >= 0x20 && c < 0x7f);
}

TEST(PolicyTable, EveryCellIsASettingAndItsDefaultIsAllowed) {
  std::set<std::string_view> keys;
  for (const auto& row : policy_table()) {
    EXPECT_TRUE(keys.insert(row.key).second) << row.key;
    EXPECT_TRUE(row.key.starts_with("policy."));
    EXPECT_FALSE(row.meaning.empty() || row.meaning_ja.empty()) << row.key;
    Policy policy;
    EXPECT_TRUE(policy.set(row.key, row.fallback).ok()) << row.key;
    EXPECT_EQ(policy.actions, Policy().actions) << row.key;
    EXPECT_FALSE(policy.set(row.key, "bounce").ok());
  }
  EXPECT_EQ(keys.size(), static_cast<std::size_t>(Cell::kCount));
  EXPECT_FALSE(Policy().set("policy.nothing", "tag").ok());
}

// Whatever is set, the reply belongs to the action: 5xx 5.x.x for reject, 4xx 4.x.x for defer (RFC 3463 section 2).
TEST(PolicyTable, EverySettingHasItsReply) {
  for (std::size_t i = 0; i < static_cast<std::size_t>(Cell::kCount); ++i) {
    const Cell cell = static_cast<Cell>(i);
    for (const Action action : {Action::kDefer, Action::kReject}) {
      if (!(row(cell).allowed & bit(action))) continue;
      const auto reply = make_reply(cell, action, Moment::kMessage, "x.example");
      const char first = action == Action::kReject ? '5' : '4';
      EXPECT_EQ(reply.code / 100, first - '0') << row(cell).code;
      EXPECT_EQ(reply.enhanced.substr(0, 2), std::string(1, first) + ".") << row(cell).code;
      EXPECT_FALSE(reply.lines.at(0).empty()) << row(cell).code;
    }
  }
}

TEST(Reasons, EveryCodeHasTexts) {
  std::set<std::string_view> rooms;
  for (const auto& text : road::finding_texts()) rooms.insert(text.room);
  for (std::size_t i = 0; i < static_cast<std::size_t>(Cell::kCount); ++i) {
    const CellRow& cell = row(static_cast<Cell>(i));
    if (!rooms.count(cell.room)) continue;
    const auto text = road::explain({cell.room, cell.code, AuthResult::kNone, "x.example"});
    EXPECT_NE(text.en, text.ja) << cell.room << " " << cell.code;
  }
}

TEST(TempErrors, RemembersTheFirstFault) {
  TempErrorMemory memory(3, 1000);
  const auto ip = *core::IpAddress::parse("192.0.2.1"), neighbour = *core::IpAddress::parse("192.0.2.250"),
             other = *core::IpAddress::parse("198.51.100.1");
  EXPECT_EQ(memory.age_s(ip, "a.example", 100), 0);
  EXPECT_EQ(memory.age_s(neighbour, "a.example", 160), 60);  // the same /24
  EXPECT_EQ(memory.age_s(other, "a.example", 160), 0);
  EXPECT_EQ(memory.age_s(ip, "b.example", 160), 0);
  EXPECT_EQ(memory.size(), 3u);
  EXPECT_EQ(memory.age_s(ip, "c.example", 170), 0);  // the oldest, (192.0.2.0, a.example), goes
  EXPECT_EQ(memory.size(), 3u);
  EXPECT_EQ(memory.age_s(ip, "a.example", 180), 0);
  EXPECT_EQ(memory.age_s(ip, "a.example", 1180), 1000);
  EXPECT_EQ(memory.age_s(ip, "a.example", 2181), 0);  // long pause: forgotten
  memory.resolved(ip, "a.example");
  EXPECT_EQ(memory.age_s(ip, "a.example", 2200), 0);
  const auto v6 = *core::IpAddress::parse("2001:db8:1:2::1"),
             v6_neighbour = *core::IpAddress::parse("2001:db8:1:2:ff::1");
  memory.age_s(v6, "a.example", 10);
  EXPECT_EQ(memory.age_s(v6_neighbour, "a.example", 30), 20);
}

TEST(TempErrors, GoOnOverARestart) {
  TempErrorMemory before(10, 1000);
  const auto ip = *core::IpAddress::parse("192.0.2.1"), v6 = *core::IpAddress::parse("2001:db8::1");
  before.age_s(ip, "a.example", 100);
  before.age_s(v6, "b.example", 1500);
  before.age_s(ip, "a.example", 600);
  const std::uint64_t changes = before.changes();
  EXPECT_GT(changes, 0u);
  const std::string text = before.text(1590);
  EXPECT_EQ(text, "1500 1500 2001:db8:: b.example\n100 600 192.0.2.0 a.example\n");
  EXPECT_EQ(before.changes(), changes);
  EXPECT_EQ(before.text(1601), "1500 1500 2001:db8:: b.example\n");  // a.example is forgotten

  TempErrorMemory after(10, 1000);
  after.read(text, 1590);
  EXPECT_EQ(after.size(), 2u);
  EXPECT_EQ(after.age_s(ip, "a.example", 1600), 1500);
  EXPECT_EQ(after.age_s(v6, "b.example", 1600), 100);

  TempErrorMemory control(10, 1000);  // nothing read: it counts from the start
  EXPECT_EQ(control.age_s(ip, "a.example", 1600), 0);
}

TEST(TempErrors, LinesThatAreNoneOfOursArePassedOver) {
  TempErrorMemory memory(2, 1000);
  memory.read(
      "\n 1\n1 2\n1 2 3\nx 2 192.0.2.0 a.example\n5 2 192.0.2.0 a.example\n1 2 nowhere a.example\n"
      "1 2 192.0.2.0 a.example b\n1 2 192.0.2.0 \n9 999999 192.0.2.0 future.example\n1 99999999999999999999 "
      "192.0.2.0 a.example\n10 20 192.0.2.7 good.example\n10 20 192.0.2.0 good.example\n10 20 192.0.2.0 two.example\n"
      "10 20 192.0.2.0 three.example\n10 20 192.0.2.0 torn",
      100);
  EXPECT_EQ(memory.text(100), "10 20 192.0.2.0 good.example\n10 20 192.0.2.0 two.example\n");
  memory.read(std::string(1000, ' ') + std::string(3, '\0'), 100);
  EXPECT_EQ(memory.size(), 2u);
}

}  // namespace
}  // namespace sekisho::verdict
