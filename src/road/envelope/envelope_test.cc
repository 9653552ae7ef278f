#include "road/envelope/envelope.h"

#include <gtest/gtest.h>

namespace sekisho::envelope {
namespace {

LocalDomain domain(Check check) {
  LocalDomain out{*mail::Domain::parse("dest.example"), "main", check, false, "+", {"user", "odd%name"}};
  return out;
}
Recipient look(Check check, std::string_view local) {
  return look_at(domain(check), *mail::Address::parse(std::string(local) + "@dest.example"));
}

TEST(Envelope, TableKnowsItsNamesAndTheirExtensions) {
  for (const char* local : {"user", "USER", "user+x", "user+", "postmaster", "odd%name"})
    EXPECT_EQ(look(Check::kTable, local), Recipient::kKnown) << local;
  for (const char* local : {"nobody", "+user", "nobody+x", "\"user+x\"", "user%evil.example"})
    EXPECT_EQ(look(Check::kTable, local), Recipient::kUnknown) << local;
}

// Postfix' allow_percent_hack and swap_bangpath are on by default, and its relay rules trust us.
TEST(Envelope, AnExtensionIsNoRouteToElsewhere) {
  for (const char* local : {"user+x%evil.example", "user+evil.example!x", "user+%"})
    EXPECT_EQ(look(Check::kTable, local), Recipient::kRouting) << local;
  for (const Check check : {Check::kProbe, Check::kAny})
    for (const char* local : {"user%evil.example", "evil.example!user", "\"user@evil.example\""})
      EXPECT_EQ(look(check, local), Recipient::kRouting) << local;
  EXPECT_EQ(look(Check::kAny, "x"), Recipient::kKnown);
  EXPECT_EQ(look(Check::kProbe, "x"), Recipient::kAsk);
}

}  // namespace
}  // namespace sekisho::envelope
