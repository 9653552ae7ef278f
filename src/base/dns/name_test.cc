#include "base/dns/name.h"

#include <gtest/gtest.h>

namespace sekisho::dns {
namespace {

using namespace std::string_literals;

TEST(Name, ReadsMasterFileText) {
  EXPECT_EQ(Name::parse("Mail.Example.")->wire(), "\4mail\7example\0"s);
  EXPECT_EQ(Name::parse("mail.example")->wire(), "\4mail\7example\0"s);
  EXPECT_TRUE(Name::parse(".")->is_root());
  EXPECT_EQ(Name::parse("a\\.b.c")->wire(), "\3a.b\1c\0"s);
  EXPECT_EQ(Name::parse("a\\046b.c")->wire(), "\3a.b\1c\0"s);
  EXPECT_EQ(Name::parse("\\000\\255.c")->wire(), "\2\0\xff\1c\0"s);
}

TEST(Name, RefusesWhatIsNoName) {
  for (const char* text : {"", "..", ".a", "a..b", "a..", "\\", "a\\25", "a\\256.b", "\\2x5"}) {
    EXPECT_FALSE(Name::parse(text)) << text;
  }
  EXPECT_TRUE(Name::parse(std::string(63, 'a')));
  EXPECT_FALSE(Name::parse(std::string(64, 'a')));
  const std::string longest = std::string(63, 'a') + "." + std::string(63, 'b') + "." + std::string(63, 'c') + ".";
  EXPECT_EQ(Name::parse(longest + std::string(61, 'd'))->wire().size(), 255u);
  EXPECT_FALSE(Name::parse(longest + std::string(62, 'd')));
}

TEST(Name, WireOctetsAreChecked) {
  EXPECT_EQ(Name::from_wire("\1A\2bC\0"s)->text(), "a.bc");
  EXPECT_FALSE(Name::from_wire(""));
  EXPECT_FALSE(Name::from_wire("\1a"));
  EXPECT_FALSE(Name::from_wire("\2a\0"s));
  EXPECT_FALSE(Name::from_wire("\0\0"s));
  EXPECT_FALSE(Name::from_wire("\xc0\0"s));
}

TEST(Name, AssignTakesPlainLabels) {
  Name name;
  EXPECT_TRUE(name.assign("A.bC.example."));
  EXPECT_EQ(name, *Name::parse("a.bc.example"));
  EXPECT_TRUE(name.assign("a\\.b"));  // no escapes
  EXPECT_EQ(name.wire(), "\2a\\\1b\0"s);
  for (const std::string bad : {"", ".", "..", "a..b", ".a", "a.."}) {
    EXPECT_FALSE(name.assign(bad)) << bad;
    EXPECT_TRUE(name.is_root());
  }
  EXPECT_FALSE(name.assign(std::string(64, 'a') + ".b"));
  const std::string longest = std::string(63, 'a') + "." + std::string(63, 'b') + "." + std::string(63, 'c') + ".";
  EXPECT_TRUE(name.assign(longest + std::string(61, 'd')));
  EXPECT_EQ(name.wire().size(), 255u);
  EXPECT_FALSE(name.assign(longest + std::string(62, 'd')));
}

TEST(Name, TextComesBackAsItWent) {
  const Name name = *Name::parse("a\\.\\\"\\;\\(b\\032\\000.\\200x");
  EXPECT_EQ(*Name::parse(name.text()), name);
  EXPECT_EQ(Name().text(), ".");
}

TEST(Name, WalksUpByLabels) {
  const Name name = *Name::parse("a.b.example");
  EXPECT_EQ(name.labels(), 3u);
  EXPECT_EQ(name.parent().text(), "b.example");
  EXPECT_EQ(Name().parent(), Name());
  EXPECT_TRUE(name.is_at_or_below(*Name::parse("example")));
  EXPECT_TRUE(name.is_at_or_below(Name()));
  EXPECT_TRUE(name.is_at_or_below(name));
  EXPECT_FALSE(name.is_at_or_below(*Name::parse("x.a.b.example")));
  EXPECT_FALSE(Name::parse("xb.example")->is_at_or_below(*Name::parse("b.example")));
  EXPECT_FALSE(Name::parse("\\001b.example")->is_at_or_below(*Name::parse("b.example")));
}

}  // namespace
}  // namespace sekisho::dns
