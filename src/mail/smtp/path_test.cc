#include "mail/smtp/path.h"

#include <gtest/gtest.h>

namespace sekisho::smtp {
namespace {

core::Result<Path, PathError> parse(std::string_view text) { return parse_path(text); }

TEST(Path, KeepsOctets) {
  const char* const kept[] = {"a..b.@docomo.ne.jp",
                              ".a@ezweb.ne.jp",
                              "a.@softbank.ne.jp",
                              "-a-@docomo.ne.jp",
                              "a/b?c=d@docomo.ne.jp",
                              "\"a b\"@dest.example",
                              "\"a\\\"b>c@d\"@dest.example",
                              "User+Tag@Dest.Example",
                              "user@dest.example.",
                              "victim%other.example@dest.example",
                              "SRS0=HHH=TT=a.example=u@b.example",
                              "#!$%&'*+-/=?^_`{}|~@dest.example"};
  for (const char* text : kept) {
    std::string_view line;
    const std::string bracketed = std::string("<") + text + "> SIZE=1";
    line = bracketed;
    auto path = parse_path(line);
    ASSERT_TRUE(path) << text;
    EXPECT_EQ(path->text, text);
    EXPECT_EQ(path->kind, Path::Kind::kMailbox);
    EXPECT_EQ(line, " SIZE=1");
  }
}

TEST(Path, DecidesOnTheRealDomain) {
  auto path = parse("<@dest.example,@b.example:victim@Other.Example>");
  ASSERT_TRUE(path);
  EXPECT_TRUE(path->source_route);
  EXPECT_EQ(path->text, "victim@Other.Example");
  EXPECT_EQ(path->address->domain().text(), "other.example");
  path = parse("<\"victim@dest.example\"@other.example>");
  ASSERT_TRUE(path);
  EXPECT_EQ(path->local(), "\"victim@dest.example\"");
  EXPECT_EQ(path->address->domain().text(), "other.example");
}

TEST(Path, Kinds) {
  EXPECT_TRUE(parse("<>")->null());
  EXPECT_EQ(parse("<PostMaster>")->kind, Path::Kind::kPostmaster);
  auto literal = parse("<user@[192.0.2.1]>");
  EXPECT_EQ(literal->kind, Path::Kind::kLiteral);
  EXPECT_EQ(literal->literal->text(), "192.0.2.1");
  EXPECT_EQ(literal->local(), "user");
  EXPECT_EQ(parse("<user@[IPv6:2001:db8::1]>")->literal->text(), "2001:db8::1");
  // Local parts over 64 octets are common in senders' bounce addresses.
  EXPECT_TRUE(parse("<" + std::string(100, 'b') + "@sender.example>"));
}

TEST(Path, Refuses) {
  const std::pair<const char*, PathError> refused[] = {
      {"", PathError::kBrackets},
      {"a@b.example", PathError::kBrackets},
      {"<a@b.example", PathError::kBrackets},
      {"<\"a@b.example>", PathError::kBrackets},
      {"<a b@c.example>", PathError::kSyntax},
      {"<a\tb@c.example>", PathError::kSyntax},
      {"<<a@b.example>>", PathError::kLocalPart},
      {"<a,b@c.example>", PathError::kSyntax},
      {"<a@b@c.example>", PathError::kDomain},
      {"<@c.example>", PathError::kSyntax},
      {"<@c.example:>", PathError::kLocalPart},
      {"<@:a@c.example>", PathError::kSyntax},
      {"<@a b:c@d.example>", PathError::kSyntax},
      {"<user>", PathError::kNoDomain},
      {"<\"victim@other.example\">", PathError::kNoDomain},
      {"<a@>", PathError::kDomain},
      {"<a@b..example>", PathError::kDomain},
      {"<a@b.example\x7f>", PathError::kSyntax},
      {"<a@[192.0.2.1>", PathError::kLiteral},
      {"<a@[192.0.2]>", PathError::kLiteral},
      {"<a@[2001:db8::1]>", PathError::kLiteral},
      {"<a@[IPv6:192.0.2.1]>", PathError::kLiteral},
      {"<a@[]>", PathError::kLiteral},
      {"<\xe3\x81\x82@b.example>", PathError::kNonAscii},
      {"<a@\xe3\x81\x82.example>", PathError::kNonAscii},
  };
  for (const auto& [text, error] : refused) {
    auto path = parse(text);
    ASSERT_FALSE(path) << text;
    EXPECT_EQ(path.error(), error) << text;
  }
  EXPECT_EQ(parse("<" + std::string(300, 'a') + "@b.example>").error(), PathError::kTooLong);
  EXPECT_FALSE(parse(std::string_view("<a\0b@c.example>", 15)));
}

TEST(Path, Utf8) {
  std::string_view text = "<\xe5\x8f\x97@\xe4\xbe\x8b\xe3\x81\x88.example> SMTPUTF8";
  const auto path = parse_path(text, true);
  ASSERT_TRUE(path);
  EXPECT_TRUE(path->non_ascii);
  EXPECT_EQ(path->text, "\xe5\x8f\x97@\xe4\xbe\x8b\xe3\x81\x88.example");  // as it came
  EXPECT_EQ(path->address->domain().text(), "xn--r8jz45g.example");
  EXPECT_EQ(path->local(), "\xe5\x8f\x97");
  EXPECT_EQ(text, " SMTPUTF8");
  std::string_view ascii = "<a@xn--r8jz45g.example>";
  EXPECT_FALSE(parse_path(ascii, true)->non_ascii);
  const auto fault = [](std::string_view broken) { return parse_path(broken, true).error(); };
  EXPECT_EQ(fault("<\xc0\xaf@a.example>"), PathError::kSyntax);              // overlong
  EXPECT_EQ(fault("<\xed\xa0\x80@a.example>"), PathError::kSyntax);          // a surrogate
  EXPECT_EQ(fault("<a@\xe4\xbe\x8b\xe3\x81.example>"), PathError::kSyntax);  // cut
  EXPECT_EQ(fault("<a@a\xe3\x80\x82.\xe3\x80\x82>"), PathError::kDomain);
}

}  // namespace
}  // namespace sekisho::smtp
