#include "mail/smtp/xclient.h"

#include <gtest/gtest.h>

#include "mail/smtp/test_driver.h"
#include "mail/smtp/xtext.h"

namespace sekisho::smtp {
namespace {

TEST(Xclient, ReadsWhatPostfixSends) {
  const auto got = parse_xclient(
      "NAME=spike.porcupine.example ADDR=168.100.189.2 PORT=4711 PROTO=ESMTP HELO=sp+20ike DESTADDR=192.0.2.25 "
      "DESTPORT=25");
  ASSERT_FALSE(got) << "a blank in HELO";
  const auto good = parse_xclient("name=spike.example ADDR=168.100.189.2 PORT=4711 PROTO=esmtp HELO=a+2Bb+3Dc");
  ASSERT_TRUE(good);
  EXPECT_EQ(good->name.value, "spike.example");
  EXPECT_EQ(good->address.value->text(), "168.100.189.2");
  EXPECT_EQ(good->port.value, 4711);
  EXPECT_EQ(good->extended.value, true);
  EXPECT_EQ(good->helo.value, "a+b=c");
  EXPECT_FALSE(good->local_address.given);
}
TEST(Xclient, Addresses) {
  EXPECT_EQ(parse_xclient("ADDR=IPV6:2001:db8::1")->address.value->text(), "2001:db8::1");
  EXPECT_EQ(parse_xclient("ADDR=ipv6:::ffff:192.0.2.1")->address.value->text(), "192.0.2.1");
  EXPECT_EQ(parse_xclient("ADDR=2001:db8::1")->address.value->text(), "2001:db8::1");
  EXPECT_EQ(parse_xclient("DESTADDR=IPV6:::1 DESTPORT=0")->local_address.value->text(), "::1");
  for (const char* bad : {"ADDR=", "ADDR=IPV6:192.0.2.1", "ADDR=192.0.2", "ADDR=192.0.2.1/24", "ADDR=IPV6:fe80::1%eth0",
                          "ADDR=[192.0.2.1]", "ADDR=192.0.2.1+00", "ADDR=unknown", "ADDR=IPV6:"})
    EXPECT_FALSE(parse_xclient(bad)) << bad;
}
TEST(Xclient, NotKnownIsGivenWithoutAValue) {
  const auto got = parse_xclient("ADDR=[UNAVAILABLE] NAME=[TEMPUNAVAIL] HELO=[unavailable] PORT=[UNAVAILABLE]");
  ASSERT_TRUE(got);
  EXPECT_TRUE(got->address.given && got->name.given && got->helo.given && got->port.given);
  EXPECT_FALSE(got->address.value || got->name.value || got->helo.value || got->port.value);
}
TEST(Xclient, Faults) {
  for (const char* bad : {"", "ADDR", "LOGIN=bob", "ADDR=192.0.2.1 ADDR=192.0.2.2", "ADDR=192.0.2.1 addr=192.0.2.1",
                          "PORT=65536", "PORT=-1", "PORT=1x", "PROTO=LMTP", "HELO=", "HELO=a+", "HELO=a+2", "HELO=a+2b",
                          "HELO=a+0D+0AMAIL", "HELO=a=b", "=x", "NAME=a+00", "ADDR=192.0.2.1 x"}) {
    const auto got = parse_xclient(bad);
    ASSERT_FALSE(got) << bad;
    EXPECT_EQ(got.error().code, 501);
  }
  EXPECT_FALSE(parse_xclient("HELO=" + std::string(256, 'a')));
  EXPECT_TRUE(parse_xclient("HELO=" + std::string(255, 'a')));
}
TEST(Xclient, Xtext) {
  EXPECT_EQ(decode_xtext("a+2B+3D+41"), "a+=A");
  EXPECT_EQ(decode_xtext("+00"), std::string(1, '\0'));
  EXPECT_EQ(decode_xtext(""), "");
  for (const char* bad : {"+", "+4", "+4g", "+4a", "a b", "a=b", "\x80"}) EXPECT_FALSE(decode_xtext(bad)) << bad;
}

TEST(XclientServer, IsOfferedToWhomItIsAllowedOnly) {
  TestDriver driver;
  driver.feed("EHLO c\r\nXCLIENT ADDR=192.0.2.1\r\n");
  EXPECT_EQ(driver.replies.find("XCLIENT NAME"), std::string::npos);
  EXPECT_NE(driver.replies.find("550 5.7.0 "), std::string::npos);
  EXPECT_EQ(driver.server.events().xclient_denied, 1u);
  EXPECT_TRUE(driver.clients.empty());
  driver.server.allow_xclient(true);
  driver.feed("EHLO c\r\nXCLIENT ADDR=192.0.2.1\r\n");
  EXPECT_NE(driver.replies.find("250-XCLIENT NAME ADDR PORT PROTO HELO DESTADDR DESTPORT\r\n"), std::string::npos);
  EXPECT_EQ(driver.clients.size(), 1u);
}
TEST(XclientServer, BeginsAgainAtTheGreeting) {
  TestDriver driver;
  driver.server.allow_xclient(true);
  driver.feed("EHLO proxy\r\nXCLIENT ADDR=192.0.2.1 HELO=c.example\r\nMAIL FROM:<a@sender.example>\r\n");
  EXPECT_EQ(driver.codes(), (std::vector<int>{220, 250, 220, 503}));
  // The client named is no peer that may name others.
  driver.feed("XCLIENT ADDR=192.0.2.2\r\n");
  EXPECT_EQ(driver.codes().back(), 550);
  driver.feed("HELO c\r\nMAIL FROM:<a@sender.example>\r\nRCPT TO:<user@dest.example>\r\nDATA\r\nx: y\r\n.\r\n");
  EXPECT_EQ(driver.messages.size(), 1u);
}
TEST(XclientServer, NeverInATransaction) {
  TestDriver driver;
  driver.server.allow_xclient(true);
  driver.feed("EHLO p\r\nMAIL FROM:<a@sender.example>\r\nXCLIENT ADDR=192.0.2.1\r\nRCPT TO:<user@dest.example>\r\n");
  EXPECT_EQ(driver.codes(), (std::vector<int>{220, 250, 250, 503, 250}));
  EXPECT_EQ(driver.resets, 0);
  driver.feed("RSET\r\nXCLIENT ADDR=192.0.2.1\r\n");
  EXPECT_EQ(driver.clients.size(), 1u);
}
TEST(XclientServer, ARefusedClientEndsTheSession) {
  TestDriver driver;
  driver.server.allow_xclient(true);
  driver.connect_reply = Reply{554, "5.7.1", {"Not you"}};
  driver.feed("EHLO p\r\nXCLIENT ADDR=192.0.2.1\r\nMAIL FROM:<a@sender.example>\r\n");
  EXPECT_EQ(driver.codes(), (std::vector<int>{220, 250, 554}));
  EXPECT_TRUE(driver.closed);
}
TEST(XclientServer, GuessesCount) {
  TestDriver driver;
  for (int i = 0; i < 30; ++i) driver.feed("XCLIENT ADDR=192.0.2.1\r\n");
  EXPECT_EQ(driver.codes().back(), 421);
  EXPECT_TRUE(driver.closed);
}

}  // namespace
}  // namespace sekisho::smtp
