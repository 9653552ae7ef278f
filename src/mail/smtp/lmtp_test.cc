// The server side of LMTP (RFC 2033): LHLO, and after the message one reply for each accepted recipient.
#include <gtest/gtest.h>

#include "mail/smtp/test_driver.h"

namespace sekisho::smtp {
namespace {

ServerSettings lmtp() {
  ServerSettings out;
  out.lmtp = true;
  return out;
}
constexpr const char* kThree =
    "LHLO q\r\nMAIL FROM:<a@sender.example>\r\nRCPT TO:<x@dest.example>\r\nRCPT TO:<nobody@dest.example>\r\nRCPT "
    "TO:<y@dest.example>\r\n";

TEST(Lmtp, OneReplyForEachAcceptedRecipient) {
  TestDriver d(lmtp());
  d.feed(std::string(kThree) + "DATA\r\n");
  d.replies.clear();
  d.feed("From: a\r\n\r\nx\r\n.\r\nNOOP\r\n");
  EXPECT_EQ(d.replies, "250 2.0.0 Taken\r\n250 2.0.0 Taken\r\n250 2.0.0 Ok\r\n");
}
TEST(Lmtp, ARefusedMessageIsRefusedForEach) {
  ServerSettings settings = lmtp();
  settings.data.size_bytes = 100;
  TestDriver d(settings);
  d.feed(std::string(kThree) + "DATA\r\n");
  d.replies.clear();
  d.feed("From: a\r\n\r\n" + std::string(200, 'x') + "\r\n.\r\nNOOP\r\n");
  EXPECT_EQ(d.codes(), (std::vector<int>{552, 552, 250}));
}
TEST(Lmtp, ChunksToo) {
  TestDriver d(lmtp());
  d.feed(kThree);
  d.replies.clear();
  d.feed("BDAT 9 LAST\r\nA: b\r\n\r\nx");
  EXPECT_EQ(d.codes(), (std::vector<int>{250, 250}));
}
TEST(Lmtp, IsNotSmtp) {
  TestDriver d(lmtp());
  EXPECT_TRUE(d.replies.find(" LMTP ") != std::string::npos);
  d.replies.clear();
  d.feed("EHLO q\r\nHELO q\r\nLHLO q\r\n");
  EXPECT_EQ(d.codes(), (std::vector<int>{500, 500, 250}));
  TestDriver smtp;
  smtp.replies.clear();
  smtp.feed("LHLO q\r\n");
  EXPECT_EQ(smtp.replies, "500 5.5.2 Command not recognized\r\n");
}
TEST(Lmtp, DataWithoutRecipients) {
  TestDriver d(lmtp());
  d.feed("LHLO q\r\nMAIL FROM:<a@sender.example>\r\nRCPT TO:<nobody@dest.example>\r\n");
  d.replies.clear();
  d.feed("DATA\r\n");
  EXPECT_EQ(d.codes(), (std::vector<int>{503}));
}

}  // namespace
}  // namespace sekisho::smtp
