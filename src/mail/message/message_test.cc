#include "mail/message/message.h"

#include <gtest/gtest.h>

namespace sekisho::mail {
namespace {

using Parsed = core::Result<std::shared_ptr<const Message>, MessageError>;

Parsed parse(std::string octets) {
  core::Budget budget;
  return Message::parse(std::move(octets), budget);
}

struct Copy : BodySink {
  std::string octets;
  void update(std::string_view more) override { octets.append(more); }
};

std::string body_of(const Message& message) {
  Copy copy;
  message.body().copy_to(copy);
  return copy.octets;
}

TEST(Message, CutsTheHeaderIntoFields) {
  const auto message = *parse("A: b\r\nReceived: x\r\n\ty\r\nfrom : z\r\nRECEIVED:\r\n\r\nbody\r\n\r\nFrom: no\r\n");
  ASSERT_EQ(message->fields().size(), 4u);
  EXPECT_EQ(message->first("received")->value, " x\r\n\ty");
  EXPECT_EQ(message->first("received")->raw, "Received: x\r\n\ty\r\n");
  EXPECT_EQ(message->all("Received").size(), 2u);
  EXPECT_EQ(message->received_count(), 2u);
  EXPECT_TRUE(message->first("From")->space_before_colon);
  EXPECT_EQ(message->first("From")->name, "from");
  EXPECT_EQ(message->first("To"), nullptr);
  EXPECT_EQ(body_of(*message), "body\r\n\r\nFrom: no\r\n");
  EXPECT_EQ(message->header_octets().substr(message->header_octets().size() - 11), "RECEIVED:\r\n");
}

TEST(Message, EndsOfHeaders) {
  const auto no_body = *parse("A: b\r\n");
  EXPECT_TRUE(no_body->shape().no_blank_line);
  EXPECT_EQ(no_body->body().size(), 0u);
  const auto empty_body = *parse("A: b\r\n\r\n");
  EXPECT_FALSE(empty_body->shape().no_blank_line);
  const auto no_header = *parse("\r\nA: b\r\n");
  EXPECT_TRUE(no_header->fields().empty());
  EXPECT_EQ(body_of(*no_header), "A: b\r\n");
  const auto unfinished = *parse("A: b");
  EXPECT_EQ(unfinished->first("A")->value, " b");
  EXPECT_TRUE((*parse(""))->fields().empty());
}

TEST(Message, ShapesThatReadersDisagreeOn) {
  EXPECT_TRUE((*parse(" x\r\nA: b\r\n\r\n"))->shape().starts_with_fold);
  EXPECT_EQ((*parse(" x\r\nA: b\r\n\r\n"))->fields().size(), 2u);
  EXPECT_TRUE((*parse("A: b\r\njunk\r\n : x\r\n\r\n"))->shape().junk_line);
  EXPECT_TRUE((*parse("From a@b Thu Jan 1 00:00:00\r\nA: b\r\n\r\n"))->shape().junk_line);
  EXPECT_TRUE((*parse("A: b\r\n \t\r\nB: c\r\n\r\n"))->shape().blank_fold);
  EXPECT_TRUE((*parse(": b\r\n\r\n"))->shape().empty_name);
  EXPECT_TRUE((*parse("Fr\xd0\xbem: b\r\n\r\n"))->shape().odd_name);
  EXPECT_TRUE((*parse(std::string("A: b\0\r\n\r\n", 9)))->shape().nul);
  EXPECT_FALSE((*parse(std::string("A: b\r\n\r\n\0\r\n", 11)))->shape().nul);
  EXPECT_TRUE((*parse("A: " + std::string(996, 'x') + "\r\n\r\n"))->shape().over_long_line);
  EXPECT_FALSE((*parse("A: " + std::string(995, 'x') + "\r\n\r\n"))->shape().over_long_line);
}

TEST(Message, BareCrAndLfAreRefusedAnywhere) {
  EXPECT_EQ(parse("A: b\rFrom: c\r\n\r\n").error(), MessageError::kBareCr);
  EXPECT_EQ(parse("A: b\r\n\r\nx\r\r\n").error(), MessageError::kBareCr);
  EXPECT_EQ(parse("A: b\r\n\r\nx\r").error(), MessageError::kBareCr);
  EXPECT_EQ(parse("A: b\n\r\n").error(), MessageError::kBareLf);
  EXPECT_EQ(parse("A: b\r\n\r\nx\ny\r\n").error(), MessageError::kBareLf);
}

TEST(Message, FilesHaveLfLineEnds) {
  core::Budget budget;
  const auto message = *Message::from_file("From a@b Thu Jan 1 00:00:00 2026\nA: b\r\nC: d\n\nx\ny", budget);
  EXPECT_EQ(message->header_octets(), "A: b\r\nC: d\r\n");
  EXPECT_EQ(body_of(*message), "x\r\ny");
  EXPECT_EQ(Message::from_file("A: b\rC\n\nx", budget).error(), MessageError::kBareCr);
  for (const std::string field : {"From : a@b\n", "From \t: a@b\n"})  // a field, no separator
    EXPECT_EQ((*Message::from_file(field + "\n", budget))->fields().size(), 1u) << field;
}

TEST(Message, TooManyFieldsAreTooComplex) {
  std::string octets;
  for (int i = 0; i < 10'001; ++i) octets += "A:\r\n";
  EXPECT_EQ(parse(octets).error(), MessageError::kTooComplex);
  octets = "A: b\r\n";
  for (int i = 0; i < 100'000; ++i) octets += " \r\n";
  EXPECT_EQ(parse(octets).error(), MessageError::kTooComplex);  // each line costs its reader something
  EXPECT_TRUE(parse(octets.substr(0, octets.size() - 6) + "\r\n\r\n").ok());
  core::Budget poor;
  poor.steps = 3;
  EXPECT_EQ(Message::parse("A: 0123456789012345678901234567890\r\n", poor).error(), MessageError::kTooComplex);
}

}  // namespace
}  // namespace sekisho::mail
