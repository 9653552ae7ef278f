// LMTP: one reply for each accepted recipient (RFC 2033 section 4.2).
#include <gtest/gtest.h>

#include "base/core/text.h"
#include "transfer/fake_hop.h"
#include "transfer/mails_test.h"

namespace sekisho::transfer {
namespace {

TEST(Lmtp, OneReplyForEachAcceptedRecipient) {
  auto rcpts = envelope({"a@dest.example", "no@dest.example", "b@dest.example", "c@dest.example"});
  const auto script = [](const std::string& line, int) {
    if (core::istarts_with(line, "RCPT TO:<no")) return say("550 5.1.1 unknown");
    if (line == ".") return say("250 2.0.0 <a@dest.example> Qk3a9F0b Saved\r\n452 4.2.2 over quota\r\n552 5.2.2 full");
    return Answer{"usual"};
  };
  const Ran run = go(script, rcpts, 2, Kind::kLmtp);
  EXPECT_EQ(run.hop->lines[0], "LHLO gate.example");
  for (const Outcomes& outcomes : run.all) {
    EXPECT_EQ(outcomes[0].outcome, Outcome::kDelivered);
    EXPECT_EQ(outcomes[0].queue_id, "Qk3a9F0b");
    EXPECT_EQ(outcomes[1].outcome, Outcome::kRefused);
    EXPECT_EQ(outcomes[2].outcome, Outcome::kTemporary);
    EXPECT_EQ(outcomes[2].reply.enhanced, "4.2.2");
    EXPECT_EQ(outcomes[3].outcome, Outcome::kRefused);
  }
  EXPECT_EQ(run.hop->connections, 1);
}

TEST(Lmtp, ABreakBetweenRepliesLeavesTheRestUnknown) {
  const auto script = on(".", Answer{"250 2.0.0 ok\r\n", After::kClose});
  const Ran run = go(script, envelope({"a@dest.example", "b@dest.example"}), 1, Kind::kLmtp);
  EXPECT_EQ(run.outcomes[0].outcome, Outcome::kDelivered);
  EXPECT_EQ(run.outcomes[1].outcome, Outcome::kUnknown);
}

}  // namespace
}  // namespace sekisho::transfer
