#include "mail/smtp/xtext.h"

#include <gtest/gtest.h>

namespace sekisho::smtp {
namespace {

TEST(Xtext, ThereAndBack) {
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  const std::string text = encode_xtext(all);
  for (const char c : text) EXPECT_TRUE(c > ' ' && c <= '~' && c != '=');
  EXPECT_EQ(decode_xtext(text), all);
  EXPECT_EQ(encode_xtext("a+b=c d"), "a+2Bb+3Dc+20d");
}

TEST(Xtext, OnlyTheOneForm) {
  for (const char* bad : {"+", "+2", "+2b", "+GG", "a=b", "a b", "\x7f", "\xe5", "\t"})
    EXPECT_FALSE(decode_xtext(bad)) << bad;
  EXPECT_EQ(decode_xtext(""), "");
}

}  // namespace
}  // namespace sekisho::smtp
