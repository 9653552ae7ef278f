#include "gate/egress/origin.h"

#include <gtest/gtest.h>

#include "road/identity/authres/authres.h"

namespace sekisho::egress {
namespace {

const std::vector<core::Network>& clients() {
  static const std::vector<core::Network> all{*core::Network::parse("127.0.0.0/8")};
  return all;
}
const std::string kMta =
    "Received: from mx.example (localhost [127.0.0.1])\r\n\tby mta.example (Postfix) with ESMTP id 1\r\n\tfor <x@y>; "
    "Thu,  1 Jan 2026 00:00:00 +0000 (UTC)\r\n";
const std::string kFilter =
    "Received: from mta.example (localhost [127.0.0.1])\r\n\tby mta.example (Postfix) with ESMTP id 2;\r\n\tThu,  1 "
    "Jan "
    "2026 00:00:00 +0000 (UTC)\r\n";
const std::string kOdd = "Received: from [a filter] (that [nobody] knows) [[\r\n";
const std::string kAlias =
    "Received: by mta.example (Postfix, from userid 65534) id 3; Thu,  1 Jan 2026 00:00:00 +0000\r\n";
const std::string kGate =
    "Received: from evil (evil.example [192.0.2.66])\r\n\tby MX.example with ESMTP id a;\r\n\tThu, 1 Jan 2026 00:00:00 "
    "+0000\r\n";
const std::string kUser =
    "Received: from laptop (unknown [198.51.100.7])\r\n\tby mta.example (Postfix) with ESMTPSA id 4;\r\n\tThu,  1 Jan "
    "2026 00:00:00 +0000 (UTC)\r\n";

std::shared_ptr<const mail::Message> message(const std::string& header) {
  core::Budget budget;
  return *mail::Message::parse(header + "From: a@b.example\r\n\r\nx\r\n", budget);
}
std::string origin(const std::string& header) {
  const auto m = message(header);
  const Origin o = origin_of(*m, "mx.example", clients());
  return o.gate ? o.certain ? "outside" : "outside, perhaps" : "here";
}

TEST(Origin, WhatOurGateLetInIsFromOutside) {
  EXPECT_EQ(origin(kMta + kGate), "outside");
  EXPECT_EQ(origin(kAlias + kMta + kGate), "outside");
  EXPECT_EQ(origin(""), "here");
  EXPECT_EQ(origin(kMta), "here");
}
// A content filter hands the mail to the MTA once more.
TEST(Origin, ThroughAFilterItIsStillFromOutside) {
  EXPECT_EQ(origin(kFilter + kMta + kGate), "outside");
  EXPECT_EQ(origin(kFilter + kAlias + kFilter + kMta + kGate), "outside");
  EXPECT_EQ(origin(kFilter + kOdd + kMta + kGate), "outside, perhaps");
}
// A user who writes our gate's line himself has another machine's above it.
TEST(Origin, WhatStandsBelowAStrangersHopIsAnybodys) {
  EXPECT_EQ(origin(kUser + kGate), "here");
  EXPECT_EQ(origin(kFilter + kUser + kMta + kGate), "here");
  EXPECT_EQ(origin(kGate), "here");
}

std::string spf(const std::string& from, const std::string& comment = "mx.example: x", const std::string& more = "") {
  return "Received-SPF: fail (" + comment + ") receiver=mx.example; " + more +
         "client-ip=192.0.2.66;\r\n envelope-from=" + from + "; helo=evil; identity=mailfrom\r\n";
}
bool anew(const std::string& above, const char* mail_from, const std::string& below = "") {
  const auto m = message(kMta + above + kGate + below);
  return sent_anew(*m, origin_of(*m, "mx.example", clients()), mail_from);
}
TEST(Origin, AListManagerSendsAnew) {
  EXPECT_TRUE(anew(spf("\"alice@bank.example\""), "bounce+1@lists.example"));
  EXPECT_TRUE(anew(spf("\"\""), "bounce+1@lists.example"));
  EXPECT_FALSE(anew(spf("\"bounce+1@lists.example\""), "Bounce+1@lists.example"));
  EXPECT_FALSE(anew("", "bounce+1@lists.example"));
  EXPECT_FALSE(anew("", "bounce+1@lists.example", spf("\"alice@bank.example\"")));  // the sender's own
}
TEST(Origin, AStrangersWordsAreNotTheReturnPath) {
  for (const char* comment :
       {"x: envelope-from=a@b.example; ", "(\\) receiver=x; envelope-from=\"a@b.example\"; ", "\"a"})
    EXPECT_FALSE(anew(spf("\"b@lists.example\"", comment), "b@lists.example")) << comment;
  EXPECT_FALSE(anew(spf("\"b@lists.example\"", "x", "problem=\"; envelope-from=a@b.example;\"; "), "b@lists.example"));
  for (const char* from :
       {"\"q\\\"\\\\ ;\"@lists.example", "a..b.@lists.example", "\xc3\xa9@lists.example", "x@lists.example"}) {
    spf::Query query;
    query.mail_from = from;
    const std::string field = "Received-SPF: " + authres::received_spf(query, spf::Evaluation(), "mx.example") + "\r\n";
    EXPECT_FALSE(anew(field, from)) << field;
    EXPECT_TRUE(anew(field, "bounce@lists.example")) << field;
  }
  EXPECT_FALSE(anew("Received-SPF: pass\r\n", "b@lists.example"));
  EXPECT_FALSE(anew("Received-SPF: pass (\r\n", "b@lists.example"));
}

}  // namespace
}  // namespace sekisho::egress
