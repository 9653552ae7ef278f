#include "transfer/reply_parser.h"

#include <gtest/gtest.h>

#include "transfer/session.h"

namespace sekisho::transfer {
namespace {

std::optional<smtp::Reply> parse(std::string_view octets) {
  ReplyParser parser;
  for (; !octets.empty();) {
    std::string_view one = octets.substr(0, 1);
    octets.remove_prefix(1);
    const auto state = parser.feed(one);
    if (state == ReplyParser::State::kBad) return {};
    if (state == ReplyParser::State::kDone) return parser.take();
  }
  return {};
}

TEST(ReplyParser, ReadsOneAndManyLines) {
  auto one = parse("250 2.1.5 Ok\r\n");
  ASSERT_TRUE(one);
  EXPECT_EQ(one->code, 250);
  EXPECT_EQ(one->enhanced, "2.1.5");
  EXPECT_EQ(one->lines, std::vector<std::string>{"Ok"});
  auto many = parse("550-5.7.1 first\r\n550-5.7.1 second\r\n550 5.7.1\r\n");
  ASSERT_TRUE(many);
  EXPECT_EQ(many->enhanced, "5.7.1");
  EXPECT_EQ(many->lines, (std::vector<std::string>{"first", "second", ""}));
  EXPECT_EQ(parse("250\r\n")->lines, std::vector<std::string>{""});
  EXPECT_EQ(parse("250 5.7.1 class differs\r\n")->enhanced, "");
  EXPECT_TRUE(parse("421 4.3.2 bye\r\n")->close);
}

TEST(ReplyParser, RefusesWhatIsNoReply) {
  for (const char* bad : {"hello\r\n", "25\r\n", "650 x\r\n", "150 x\r\n", "250x\r\n", "250-a\r\n251 b\r\n", "250 a\n",
                          "250 a\rb\r\n", "\r\n", "260a\r\n", "2a0 x\r\n"})
    EXPECT_FALSE(parse(bad)) << bad;
  EXPECT_FALSE(parse("250 " + std::string(5000, 'x') + "\r\n"));
  std::string endless;
  for (int i = 0; i < 200; ++i) endless += "250-x\r\n";
  EXPECT_FALSE(parse(endless + "250 x\r\n"));
}

TEST(ReplyParser, TakesPipelinedRepliesApart) {
  ReplyParser parser;
  std::string_view input = "250 a\r\n550-b\r\n550 c\r\n354 d\r\n35";
  for (const int code : {250, 550, 354}) {
    ASSERT_EQ(parser.feed(input), ReplyParser::State::kDone);
    EXPECT_EQ(parser.take().code, code);
  }
  EXPECT_EQ(parser.feed(input), ReplyParser::State::kMore);
}

TEST(EnhancedCode, OnlyOfItsOwnClass) {
  EXPECT_EQ(enhanced_code("2.0.0 x", 250), "2.0.0");
  EXPECT_EQ(enhanced_code("5.123.456", 550), "5.123.456");
  for (const char* bad : {"2.0 x", "2.0.0x", "2..0 x", "2.1234.0 x", "4.0.0 x", "2.0.", "", "2.0.0.1 x"})
    EXPECT_EQ(enhanced_code(bad, 250), "") << bad;
}

TEST(QueueId, OfTheServersPeopleRun) {
  const auto id = [](std::string text) { return queue_id({250, "2.0.0", {std::move(text)}}); };
  EXPECT_EQ(id("Ok: queued as 4WbQxk2Zz3z9rxp"), "4WbQxk2Zz3z9rxp");
  EXPECT_EQ(id("Ok: queued as 8A3C21F"), "8A3C21F");
  EXPECT_EQ(id("OK id=1rXyZ0-0003Ab-1C"), "1rXyZ0-0003Ab-1C");
  EXPECT_EQ(id("41OAbcd3012345 Message accepted for delivery"), "41OAbcd3012345");
  EXPECT_EQ(id("6f0b7c3d Message accepted for delivery"), "6f0b7c3d");
  EXPECT_EQ(id("<user@dest.example> 9F0bGv5kZmUrAAAA0J78UA Saved"), "9F0bGv5kZmUrAAAA0J78UA");
  EXPECT_EQ(id("ok 1700000000 qp 4242"), "1700000000 qp 4242");
  EXPECT_EQ(id("Message Queued (8D2C6E5C-1F7A-4B5B-9A34-D5A0A5B0C5F1.1)"), "8D2C6E5C-1F7A-4B5B-9A34-D5A0A5B0C5F1.1");
  EXPECT_EQ(id("Ok"), "");
  EXPECT_EQ(id("Message accepted"), "");
  EXPECT_EQ(queue_id({451, "4.0.0", {"queued as 4WbQxk2"}}), "");
}

TEST(Capabilities, FromEhlo) {
  const auto can =
      parse_capabilities({250, "", {"hop.example", "PIPELINING", "size 1000", "8bitmime", "STARTTLS", "AUTH PLAIN"}});
  EXPECT_TRUE(can.pipelining && can.eight_bit_mime && can.starttls);
  EXPECT_FALSE(can.smtp_utf8);
  EXPECT_EQ(can.size_limit_bytes, 1000u);
  EXPECT_FALSE(parse_capabilities({250, "", {"PIPELINING"}}).pipelining);  // the greeting line names no capability
  EXPECT_FALSE(parse_capabilities({250, "", {"x", "SIZE 0"}}).size_limit_bytes);
  EXPECT_FALSE(parse_capabilities({250, "", {"x", "SIZE"}}).size_limit_bytes);
}

}  // namespace
}  // namespace sekisho::transfer
