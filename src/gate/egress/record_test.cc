#include "gate/egress/record.h"

#include <gtest/gtest.h>

namespace sekisho::egress {
namespace {

TEST(Record, ASenderIsWrittenAsTheMxGateWritesHim) {
  core::Budget budget;
  const auto message = mail::Message::parse("From: a@x.example\r\n\r\nb\r\n", budget);
  ASSERT_TRUE(message.ok());
  Mail mail;
  mail.path.text = "用户@例子.example";
  EXPECT_EQ(decided_of({}, {}, mail, {}, **message, {}).mail_from, mail.path.text);
  mail.path.text = "a\xffz@x.example";
  EXPECT_EQ(decided_of({}, {}, mail, {}, **message, {}).mail_from, "a\\xffz@x.example");
}

}  // namespace
}  // namespace sekisho::egress
