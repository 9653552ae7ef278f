#include "road/connection/connection.h"

#include <gtest/gtest.h>

namespace sekisho::connection {
namespace {

core::IpAddress ip(const char* text) { return *core::IpAddress::parse(text); }

TEST(Limits, SessionsByAddressAndPrefix) {
  Settings s;
  s.ip_sessions = 2;
  s.prefix_sessions = 3;
  Limits limits(s);
  {
    auto a = limits.open_session(ip("192.0.2.1")), b = limits.open_session(ip("192.0.2.1"));
    EXPECT_EQ(a.second, Limit::kNone);
    EXPECT_EQ(limits.open_session(ip("192.0.2.1")).second, Limit::kIpSessions);
    auto c = limits.open_session(ip("192.0.2.2"));
    EXPECT_EQ(limits.open_session(ip("192.0.2.3")).second, Limit::kPrefixSessions);
    EXPECT_EQ(limits.open_session(ip("192.0.3.3")).second, Limit::kNone);
  }
  EXPECT_EQ(limits.open_session(ip("192.0.2.1")).second, Limit::kNone);
}
TEST(Limits, MailsSlideWithTheHour) {
  Settings s;
  s.ip_mails = 10;
  Limits limits(s);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(limits.take_mail(ip("192.0.2.1"), 1000), Limit::kNone);
  EXPECT_EQ(limits.take_mail(ip("192.0.2.1"), 1000), Limit::kIpMails);
  EXPECT_EQ(limits.take_mail(ip("192.0.2.2"), 1000), Limit::kNone);
  EXPECT_EQ(limits.take_mail(ip("192.0.2.1"), 3'600'000), Limit::kIpMails);       // the whole last hour still counts
  EXPECT_EQ(limits.take_mail(ip("192.0.2.1"), 3'600'000 * 3 / 2), Limit::kNone);  // half of it
  EXPECT_EQ(limits.take_mail(ip("192.0.2.1"), 3'600'000LL * 5), Limit::kNone);
}
TEST(Limits, ARefusalByThePrefixCountsNowhere) {
  Settings s;
  s.ip_mails = 2;
  s.prefix_mails = 1;
  Limits limits(s);
  EXPECT_EQ(limits.take_mail(ip("192.0.2.1"), 0), Limit::kNone);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(limits.take_mail(ip("192.0.2.1"), 0), Limit::kPrefixMails);
}
TEST(Limits, HarvestIsSeenAcrossSessions) {
  Settings s;
  s.ip_unknown = 3;
  Limits limits(s);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(limits.note_unknown(ip("192.0.2.1"), 0), Limit::kNone);
  EXPECT_EQ(limits.harvesting(ip("192.0.2.1"), 0), Limit::kIpUnknown);
  EXPECT_EQ(limits.harvesting(ip("192.0.2.2"), 0), Limit::kNone);
}
TEST(Limits, ExemptNetworksAndDomains) {
  Settings s;
  s.exempt = {*Network::parse("127.0.0.0/8")};
  s.ip_mails = 1;
  s.domain_mails = 5;
  s.domain_recipients = 3;
  Limits limits(s);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(limits.take_mail(ip("127.0.0.9"), 0), Limit::kNone);
  EXPECT_EQ(limits.take_domain("a.example", 3, 0), Limit::kNone);
  EXPECT_EQ(limits.take_domain("a.example", 1, 0), Limit::kDomainRecipients);
  EXPECT_EQ(limits.take_domain("b.example", 1, 0), Limit::kNone);
}
TEST(Limits, AReloadKeepsWhatWasCounted) {
  Settings s;
  s.ip_mails = 3;
  s.ip_sessions = 1;
  Limits limits(s);
  auto [place, limit] = limits.open_session(ip("192.0.2.1"));
  EXPECT_EQ(limit, Limit::kNone);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(limits.take_mail(ip("192.0.2.1"), 0), Limit::kNone);
  EXPECT_EQ(limits.take_mail(ip("192.0.2.1"), 0), Limit::kIpMails);
  s.ip_mails = 4;
  s.ip_sessions = 2;
  limits.reload(s);
  EXPECT_EQ(limits.take_mail(ip("192.0.2.1"), 0), Limit::kNone);
  EXPECT_EQ(limits.take_mail(ip("192.0.2.1"), 0), Limit::kIpMails);
  auto [second, also] = limits.open_session(ip("192.0.2.1"));
  auto [third, too_many] = limits.open_session(ip("192.0.2.1"));
  EXPECT_EQ(also, Limit::kNone);
  EXPECT_EQ(too_many, Limit::kIpSessions);
  s.exempt = {*Network::parse("192.0.2.0/24")};
  limits.reload(s);
  EXPECT_EQ(limits.take_mail(ip("192.0.2.1"), 0), Limit::kNone);
}
TEST(Limits, MemoryIsBoundedUnderAFloodOfSources) {
  Settings s;
  s.ip_mails = 5;
  Limits limits(s, 1024);
  for (std::uint32_t i = 0; i < 100'000; ++i)
    EXPECT_EQ(limits.take_mail(core::IpAddress::v4(i * 7919), 0), Limit::kNone);
}
TEST(Patience, IsKnownForAWhile) {
  Patience patience(1000, 3);
  EXPECT_FALSE(patience.known(ip("192.0.2.1"), 0));
  patience.note(ip("192.0.2.1"), 0);
  patience.note(ip("2001:db8::1"), 0);
  EXPECT_TRUE(patience.known(ip("192.0.2.1"), 999));
  EXPECT_FALSE(patience.known(ip("192.0.2.1"), 1000));
  EXPECT_FALSE(patience.known(ip("192.0.2.2"), 0));
  EXPECT_TRUE(patience.known(ip("2001:db8::ffff"), 0));
  EXPECT_FALSE(patience.known(ip("2001:db8:0:1::1"), 0));
  patience.forget(ip("192.0.2.1"));
  EXPECT_FALSE(patience.known(ip("192.0.2.1"), 0));
  for (std::uint32_t i = 0; i < 100; ++i) patience.note(core::IpAddress::v4(i), 1);
  EXPECT_TRUE(patience.known(core::IpAddress::v4(99), 2));
}
TEST(Network, Parses) {
  EXPECT_TRUE(Network::parse("::1"));
  EXPECT_FALSE(Network::parse("10.0.0.0/33"));
  EXPECT_FALSE(Network::parse("x"));
}

}  // namespace
}  // namespace sekisho::connection
