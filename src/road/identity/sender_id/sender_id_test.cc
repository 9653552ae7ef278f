#include "road/identity/sender_id/sender_id.h"

#include <gtest/gtest.h>

#include "base/dns/zone.h"

namespace sekisho::sender_id {
namespace {

std::shared_ptr<const mail::Message> message_of(const std::string& header) {
  core::Budget budget;
  return *mail::Message::parse(header + "\r\nHello\r\n", budget);
}

Pra pra_of(const std::string& header) {
  core::Budget budget;
  return purported_responsible_address(*message_of(header), budget);
}

std::string found(const std::string& header) {
  const Pra pra = pra_of(header);
  return pra.address ? pra.header + " " + pra.address->text() : "none: " + pra.reason;
}

// RFC 4407 section 2, one case a step.
TEST(Pra, Step1TakesTheFirstResentSender) {
  EXPECT_EQ(found("Resent-Sender: a@r.example\r\nResent-From: b@r.example\r\nFrom: c@f.example\r\n"),
            "Resent-Sender a@r.example");
  EXPECT_EQ(found("Resent-Sender:  \r\nResent-Sender: <z@r.example>\r\nFrom: c@f.example\r\n"),
            "Resent-Sender z@r.example");
  // Nothing between the two: one block.
  EXPECT_EQ(found("Resent-From: b@r.example\r\nResent-Sender: a@r.example\r\nFrom: c@f.example\r\n"),
            "Resent-Sender a@r.example");
  // The trace field stands above the Resent-From: still one block.
  EXPECT_EQ(found("Received: from x by y; date\r\nResent-From: b@r.example\r\nResent-Sender: a@r.example\r\n"),
            "Resent-Sender a@r.example");
}

TEST(Pra, Step1PassesOverAnOlderBlock) {
  EXPECT_EQ(found("Resent-From: b@new.example\r\nReceived: from x by y; date\r\nResent-Sender: a@old.example\r\n"),
            "Resent-From b@new.example");
  EXPECT_EQ(found("Resent-From: b@new.example\r\nReturn-Path: <>\r\nResent-Sender: a@old.example\r\n"),
            "Resent-From b@new.example");
  // An empty Resent-From opens no block.
  EXPECT_EQ(found("Resent-From: \r\nReceived: from x by y; date\r\nResent-Sender: a@old.example\r\n"),
            "Resent-Sender a@old.example");
}

TEST(Pra, Step2TakesResentFrom) {
  EXPECT_EQ(found("Resent-From: B <b@r.example>\r\nSender: s@s.example\r\nFrom: c@f.example\r\n"),
            "Resent-From b@r.example");
}

TEST(Pra, Step3TakesTheOneSender) {
  EXPECT_EQ(found("Sender: s@s.example\r\nFrom: c@f.example\r\n"), "Sender s@s.example");
  EXPECT_EQ(found("Sender: \r\nFrom: c@f.example\r\n"), "From c@f.example");
  EXPECT_EQ(found("Sender: s@s.example\r\nsender: t@s.example\r\nFrom: c@f.example\r\n"),
            "none: more than one Sender field (step 3)");
}

TEST(Pra, Step4TakesTheOneFrom) {
  EXPECT_EQ(found("From: =?utf-8?Q?C=40d?= (x) <c@f.example>\r\n"), "From c@f.example");
  EXPECT_EQ(found("From: a..b.@docomo.ne.jp\r\n"), "From a..b.@docomo.ne.jp");
  EXPECT_EQ(found("From: a@f.example\r\nFrom: b@f.example\r\n"), "none: more than one From field (step 4)");
  EXPECT_EQ(found("To: a@f.example\r\n"), "none: no From field (step 4)");
  EXPECT_EQ(found("From:\r\n \t\r\n"), "none: no From field (step 4)");
}

TEST(Pra, Step5RefusesWhatIsMalformed) {
  for (const char* value : {"a@b.example, c@d.example", "a@b.example c@d.example", "<a@b.example> <c@d.example>"})
    EXPECT_FALSE(pra_of("From: " + std::string(value) + "\r\n").address) << value;
  for (const char* value :
       {"nobody", "<>", "a@[192.0.2.1]", "group: a@b.example;", "group:;", "a@b@c.example", "a@", "@b.example",
        "<a@b.example", "\"x <a@b.example>", "(a@b.example", "<@x:a@b.example>", "a@b..example", ";a@b.example"})
    EXPECT_EQ(found("From: " + std::string(value) + "\r\n").substr(0, 5), "none:") << value;
  // Step 5 ends the search: a broken Sender is not made good by a clean From.
  EXPECT_EQ(found("Sender: nobody\r\nFrom: c@f.example\r\n"), "none: Sender is malformed (step 5)");
}

// RFC 4405 section 4.2.
TEST(Submitter, IsThePraOrNot) {
  const auto same = [](const char* said, const std::string& header) {
    return is_same(*mail::Address::parse(said), pra_of(header));
  };
  EXPECT_TRUE(same("s@s.example", "Sender: S <s@S.example>\r\nFrom: c@f.example\r\n"));
  EXPECT_TRUE(same("\"s\"@s.example", "From: s@s.example\r\n"));
  EXPECT_TRUE(same("\"s\\s\"@s.example", "From: \"ss\"@s.example\r\n"));
  EXPECT_FALSE(same("c@f.example", "Sender: s@s.example\r\nFrom: c@f.example\r\n")) << "From is not the PRA here";
  EXPECT_FALSE(same("S@s.example", "From: s@s.example\r\n")) << "RFC 5321 section 2.4: local parts have a case";
  EXPECT_FALSE(same("s@s.example.x", "From: s@s.example\r\n"));
  EXPECT_FALSE(same("a@f.example", "From: a@f.example\r\nFrom: b@f.example\r\n")) << "without a PRA nothing matches";
}

struct Answers {
  std::string mfrom, pra;
};
Answers ask(const std::string& zone_text, const std::string& mail_from, const std::string& header,
            bool fallback = false, const char* ip = "192.0.2.1") {
  auto zone = dns::Zone::parse(zone_text);
  EXPECT_TRUE(zone.ok());
  const auto resolver = dns::make_overlay(*zone, nullptr);
  Query query;
  query.client_ip = *core::IpAddress::parse(ip);
  query.helo = "helo.example";
  query.mail_from = mail_from;
  Settings settings;
  settings.pra_uses_spf1 = fallback;
  core::Budget budget;
  const auto message = message_of(header);
  const auto e = core::run_ready(evaluate(query, *message, *resolver, budget, settings));
  return {std::string(road::word(e.mfrom.result)), std::string(road::word(e.pra.result))};
}

constexpr const char* kZone = R"($ORIGIN .
v1.example. 300 IN TXT "v=spf1 ip4:192.0.2.1 -all"
mfrom.example. 300 IN TXT "spf2.0/mfrom ip4:192.0.2.1 -all"
pra.example. 300 IN TXT "spf2.0/pra ip4:192.0.2.1 -all"
both.example. 300 IN TXT "spf2.0/mfrom,pra ip4:192.0.2.1 -all"
split.example. 300 IN TXT "spf2.0/mfrom ip4:192.0.2.1 -all"
split.example. 300 IN TXT "spf2.0/pra -all"
split.example. 300 IN TXT "v=spf1 ?all"
twice.example. 300 IN TXT "spf2.0/pra -all"
twice.example. 300 IN TXT "spf2.0/mfrom,pra +all"
case.example. 300 IN TXT "SPF2.0/MFROM,PRA +all"
named.example. 300 IN TXT "spf2.0/other,pra +all"
bad1.example. 300 IN TXT "spf2.0/ +all"
bad2.example. 300 IN TXT "spf2.0/pra, +all"
bad3.example. 300 IN TXT "spf2.0 +all"
bad4.example. 300 IN TXT "spf2.0/pra+all"
bare.example. 300 IN TXT "spf2.0/pra"
inc.example. 300 IN TXT "spf2.0/pra include:v1.example -all"
inc2.example. 300 IN TXT "spf2.0/pra include:both.example -all"
gone.example. 300 IN TXT "spf2.0/pra include:no.example -all"
red.example. 300 IN TXT "spf2.0/pra redirect=pra.example"
syntax.example. 300 IN TXT "spf2.0/pra foo -all"
macro.example. 300 IN TXT "spf2.0/pra exists:%{l}.%{d}.ok.example -all"
c.macro.example.ok.example. 300 IN A 127.0.0.2
a.example. 300 IN A 192.0.2.9
;!servfail slow.example
)";

std::string pra(const std::string& domain, bool fallback = false) {
  return ask(kZone, "", "From: c@" + domain + "\r\n", fallback).pra;
}
std::string mfrom(const std::string& domain) { return ask(kZone, "c@" + domain, "From: c@a.example\r\n").mfrom; }

// RFC 4406 section 4.4.
TEST(SenderId, ChoosesTheRecordOfItsScope) {
  EXPECT_EQ(mfrom("mfrom.example"), "pass");
  EXPECT_EQ(pra("mfrom.example"), "none");
  EXPECT_EQ(mfrom("pra.example"), "none");
  EXPECT_EQ(pra("pra.example"), "pass");
  EXPECT_EQ(mfrom("both.example"), "pass");
  EXPECT_EQ(pra("both.example"), "pass");
  EXPECT_EQ(mfrom("split.example"), "pass");
  EXPECT_EQ(pra("split.example"), "fail");
  EXPECT_EQ(pra("twice.example"), "permerror");
  EXPECT_EQ(mfrom("twice.example"), "pass");
  EXPECT_EQ(pra("case.example"), "pass");
  EXPECT_EQ(pra("named.example"), "pass");
  EXPECT_EQ(pra("bare.example"), "neutral");
}

TEST(SenderId, UsesSpf1ForThePraOnlyWhenTold) {
  EXPECT_EQ(mfrom("v1.example"), "pass");
  EXPECT_EQ(pra("v1.example"), "none");
  EXPECT_EQ(pra("v1.example", true), "pass");
  EXPECT_EQ(pra("inc.example"), "permerror");
  EXPECT_EQ(pra("inc.example", true), "pass");
}

TEST(SenderId, IgnoresWhatIsNoVersionSection) {
  for (const char* domain : {"bad1.example", "bad2.example", "bad3.example", "bad4.example", "a.example"})
    EXPECT_EQ(pra(domain), "none") << domain;
}

TEST(SenderId, WalksAsSpfDoes) {
  EXPECT_EQ(pra("inc2.example"), "pass");
  EXPECT_EQ(pra("gone.example"), "permerror");
  EXPECT_EQ(pra("red.example"), "pass");
  EXPECT_EQ(pra("syntax.example"), "permerror");
  EXPECT_EQ(pra("macro.example"), "pass");  // %{l} is the PRA's local part
  EXPECT_EQ(pra("slow.example"), "temperror");
}

// RFC 4406 section 4.3: a PRA in a domain that does not exist fails; a return path there has no result.
TEST(SenderId, ANonexistentPraFails) {
  EXPECT_EQ(pra("no.example"), "fail");
  EXPECT_EQ(mfrom("no.example"), "none");
}

TEST(SenderId, WithoutAPraTheMessageIsAtFault) {
  const Answers answers = ask(kZone, "c@both.example", "From: a@both.example, b@both.example\r\n");
  EXPECT_EQ(answers.pra, "permerror");
  EXPECT_EQ(answers.mfrom, "pass");
}

}  // namespace
}  // namespace sekisho::sender_id
