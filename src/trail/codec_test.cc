#include <gtest/gtest.h>

#include "base/store/fields.h"
#include "trail/event.h"

namespace sekisho::trail {
namespace {

TransactionId some_id(std::uint8_t n) {
  TransactionId id;
  id.octets.fill(n);
  return id;
}

std::vector<Event> samples() {
  Client client{*core::IpAddress::parse("2001:db8::1"),
                65535,
                *core::IpAddress::parse("192.0.2.1"),
                25,
                "helo\xff",
                "r.example",
                "TLSv1.3 X",
                *core::IpAddress::parse("198.51.100.1"),
                4711,
                "received",
                *core::IpAddress::parse("2001:db8::2")};
  Recipient recipient{{}, "dest.example", "\"a b\"@dest.example", "450 4.2.0 full"};
  recipient.hash.fill('h');
  Decided decided;
  decided.transaction = some_id(1);
  decided.session = some_id(2);
  decided.client = client;
  decided.mail_from = "a..b.@docomo.ne.jp";
  decided.submitter = "s@b.example";
  decided.recipients = {recipient, {}};
  decided.message_id = "x@y";
  decided.author_address = "a@b.example";
  decided.author_domain = "b.example";
  decided.size_bytes = UINT64_MAX;
  decided.digest.fill('d');
  decided.findings = {{"r", "c", "pass", "e"}, {}, {"r2", "c2", "fail", ""}};
  decided.authentication = {{"spf", "temperror", "d.example", "x"}};
  decided.action = "reject";
  decided.would_be = "reject";
  decided.reply = "550 5.7.26 no";
  decided.reasons = {{"identity", "dmarc", "dmarc_fail", "reject", "b.example", true}, {}};
  decided.lawful_basis = "self_defence";
  decided.override_reason = "arc";
  decided.receipt = "abc";
  decided.stage_times = {{"connection", 1}, {"identity", 1'000'000}};
  decided.mode = "observe";
  decided.road = "inbound";
  decided.config_id = "0123";
  Outcome outcome{some_id(1), "reject", "550 no", true, "hop", "250 ok", "Q1", {recipient}, true, 77};
  Refused refused{some_id(2),        client,    "m@x",
                  {recipient},       3,         4,
                  "451 later",       "rc",      {{"connection", "limit", "c", "defer", "", false}},
                  "self_defence",    "enforce", 99,
                  {{"n@y"}, {"o@z"}}};
  SessionSummary session;
  session.session = some_id(2);
  session.client = client;
  session.transactions = 1, session.accepted = 2, session.deferred = 3, session.rejected = 4;
  session.recipients_seen = 5, session.unknown_recipients = 6, session.commands = 7, session.bytes_in = 1ull << 40;
  session.duration_us = 9;
  session.early_talker = session.unauthorised_pipelining = session.directory_harvest = true;
  session.closed_by = "client";
  return {decided,
          outcome,
          refused,
          session,
          Override{"allow", "ip:192.0.2.1", 5, "why", "root", "court_order"},
          QueryAsked{"mail_from=x", "ticket", "joe", 3},
          Started{"0.1", "c"},
          Stopped{"SIGTERM"},
          ConfigLoaded{"c", "SIGHUP"},
          IndexRebuilt{"damaged"},
          Decided{},
          Outcome{},
          SessionSummary{}};
}

TEST(Codec, RoundTrips) {
  for (const auto& event : samples()) {
    const std::string octets = encode(event);
    const auto back = decode(type_of(event), octets);
    ASSERT_TRUE(back.ok()) << event_name(type_of(event));
    EXPECT_TRUE(*back == event) << event_name(type_of(event));
    EXPECT_FALSE(event_name(type_of(event)).empty());
  }
  EXPECT_EQ(encode(Decided{}), "");
}

TEST(Codec, UnknownTypesAndTagsAreSkipped) {
  EXPECT_EQ(decode(999, "").error(), CodecError::kUnknown);
  EXPECT_EQ(decode(1, "").error(), CodecError::kUnknown);
  for (const auto& event : samples()) {
    store::FieldWriter more;
    more.put(60000, "from the future");
    const auto back = decode(type_of(event), more.take() + encode(event));
    ASSERT_TRUE(back.ok());
    EXPECT_TRUE(*back == event);
  }
}

TEST(Codec, CutOctetsAreDamagedOrLess) {
  for (const auto& event : samples()) {
    const std::string octets = encode(event);
    for (std::size_t size = 0; size < octets.size(); ++size) {
      const auto back = decode(type_of(event), std::string_view(octets).substr(0, size));
      if (back)
        EXPECT_FALSE(*back == event);
      else
        EXPECT_EQ(back.error(), CodecError::kDamaged);
    }
  }
}

TEST(Codec, WrongSizesAreDamaged) {
  store::FieldWriter fields;
  fields.put(18, "short");  // client_ip
  EXPECT_EQ(decode(16, fields.octets()).error(), CodecError::kDamaged);
  store::FieldWriter port;
  port.put_u64(19, 65536);
  EXPECT_EQ(decode(16, port.octets()).error(), CodecError::kDamaged);
}

TEST(Codec, LongTextIsCut) {
  Stopped stopped{std::string(5000, 'x')};
  EXPECT_EQ(std::get<Stopped>(*decode(23, encode(stopped))).why.size(), kMaxText);
}

TEST(Codec, Describes) {
  Override event{"deny", "x\r\ny", 12, "", "", ""};
  const auto rows = describe(20, encode(event));
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0], (std::pair<std::string, std::string>{"kind", "deny"}));
  EXPECT_EQ(rows[1].second, "x\\x0d\\x0ay");
  EXPECT_EQ(rows[2].second, "12");
  Decided decided;
  decided.findings = {{"r", "a", "", ""}, {"r", "b", "", ""}};
  const auto nested = describe(16, encode(decided));
  ASSERT_EQ(nested.size(), 4u);
  EXPECT_EQ(nested[3], (std::pair<std::string, std::string>{"findings.1.code", "b"}));
}

}  // namespace
}  // namespace sekisho::trail
