#include "road/partial/partial.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

namespace sekisho::partial {
namespace {

TEST(Partial, SurvivesARestartAndATornLineAndForgetsAfterFiveDays) {
  const std::string file = ::testing::TempDir() + "partial." + std::to_string(getpid());
  ::unlink(file.c_str());
  const Key a = key_of("a@x", "b@y", "digest"), other = key_of("a@x", "b@y", "other");
  {
    auto m = Memory::open(file, 1000);
    ASSERT_TRUE(m.ok()) << m.error();
    EXPECT_TRUE((*m)->empty());
    ASSERT_TRUE((*m)->remember({a}, 1000).ok());
  }
  std::ofstream(file, std::ios::app) << "1000 ab";
  {
    auto m = Memory::open(file, 2000);
    ASSERT_TRUE(m.ok());
    EXPECT_TRUE((*m)->served(a, 2000));
    EXPECT_FALSE((*m)->served(other, 2000));
    EXPECT_FALSE((*m)->served(a, 1000 + 5 * 86400));
  }
  auto m = Memory::open(file, 1000 + 6 * 86400);
  ASSERT_TRUE(m.ok());
  EXPECT_TRUE((*m)->empty());
  ::unlink(file.c_str());
}
TEST(Partial, KeysDoNotRunIntoEachOther) { EXPECT_NE(key_of("ab", "c", "d"), key_of("a", "bc", "d")); }

TEST(Doubts, EachIsTakenOnceAndTheOldestGoFirst) {
  Doubts doubts(3);
  const auto key = [](int i) { return key_of("a@x", "b@y", std::to_string(i)); };
  EXPECT_FALSE(doubts.take(key(1)));
  for (int i = 1; i <= 4; ++i) doubts.add(key(i)), doubts.add(key(i));
  EXPECT_FALSE(doubts.take(key(1)));
  EXPECT_TRUE(doubts.take(key(3)));
  EXPECT_FALSE(doubts.take(key(3)));
  doubts.add(key(5));
  for (const int i : {2, 4, 5}) EXPECT_TRUE(doubts.take(key(i))) << i;
}

}  // namespace
}  // namespace sekisho::partial
