#include "mail/transaction/transaction.h"

#include <gtest/gtest.h>

namespace sekisho::mail {
namespace {

smtp::Path path(std::string_view text) {
  auto parsed = smtp::parse_path(text);
  EXPECT_TRUE(parsed);
  return *parsed;
}

struct Config {
  int number;
};

TEST(Transaction, KeepsWhatItBeganWith) {
  auto config = std::make_shared<const Config>(Config{7});
  Transaction transaction({}, path("<a..b.@docomo.ne.jp>"), {.size = 5}, config);
  config = std::make_shared<const Config>(Config{8});
  EXPECT_EQ(transaction.config<Config>().number, 7);
  EXPECT_EQ(transaction.mail_from().text, "a..b.@docomo.ne.jp");
  EXPECT_EQ(transaction.parameters().size, 5u);
}

TEST(Transaction, RecipientsOnce) {
  Transaction transaction({}, path("<>"), {}, std::make_shared<const Config>());
  EXPECT_TRUE(transaction.add_rcpt(path("<user@dest.example>")));
  EXPECT_TRUE(transaction.add_rcpt(path("<User@dest.example>"), {"NEVER", ""}));
  EXPECT_FALSE(transaction.add_rcpt(path("<user@DEST.example>"), {"SUCCESS", ""}));
  EXPECT_TRUE(transaction.add_rcpt(path("<postmaster>")));
  ASSERT_EQ(transaction.rcpt_to().size(), 3u);
  EXPECT_EQ(transaction.rcpt_to()[1].text, "User@dest.example");
  ASSERT_EQ(transaction.rcpt_parameters().size(), 3u);
  EXPECT_EQ(transaction.rcpt_parameters()[1].notify, "NEVER");
}

TEST(Transaction, BudgetFalls) {
  Transaction transaction({}, path("<>"), {}, std::make_shared<const Config>());
  auto message = Message::parse("Subject: x\r\n\r\ny\r\n", transaction.budget());
  ASSERT_TRUE(message);
  transaction.set_message(*message);
  EXPECT_LT(transaction.budget().parts, core::Budget().parts);
  EXPECT_EQ(transaction.message()->size(), 17u);
}

}  // namespace
}  // namespace sekisho::mail
