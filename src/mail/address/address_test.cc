#include "mail/address/address.h"

#include <gtest/gtest.h>

#include "mail/address/mailbox.h"
#include "mail/address/utf8.h"

namespace sekisho::mail {
namespace {

std::string domain(std::string_view text) {
  const auto parsed = Domain::parse(text);
  return parsed ? parsed->text() : "none";
}

TEST(Domain, BringsAsciiToOneForm) {
  EXPECT_EQ(domain("EXAMPLE.com."), "example.com");
  EXPECT_EQ(domain("_dmarc.a-b.example"), "_dmarc.a-b.example");
  EXPECT_EQ(domain("localhost"), "localhost");
  EXPECT_EQ(domain("4.3.2.1.in-addr.arpa"), "4.3.2.1.in-addr.arpa");
}

TEST(Domain, RefusesWhatIsNoDomain) {
  for (const char* text : {"", ".", "a..b", ".a", "a b.example", "[192.0.2.1]", "192.0.2.1", "a.123", "a,b",
                           "a/b.example", "a@b.example", "\xff.example", "a.example.."}) {
    EXPECT_EQ(domain(text), "none") << text;
  }
  EXPECT_EQ(domain(std::string_view("a\0.example", 10)), "none");
  EXPECT_EQ(domain(std::string_view("\xc3\xa4\0.example", 11)), "none");
}

TEST(Domain, LengthsAreThoseOfTheDns) {
  const std::string label(63, 'a');
  const std::string longest = label + "." + label + "." + label + "." + std::string(61, 'a');
  EXPECT_EQ(longest.size(), 253u);
  EXPECT_EQ(domain(longest), longest);
  EXPECT_EQ(domain(longest + "."), longest);
  EXPECT_EQ(domain(longest + "a"), "none");
  EXPECT_EQ(domain(label + "a.example"), "none");
  EXPECT_EQ(Domain::parse(longest)->name().wire().size(), 255u);
}

TEST(Domain, ConvertsUnicodeNonTransitionally) {
  EXPECT_EQ(domain("例え.example"), "xn--r8jz45g.example");
  EXPECT_EQ(domain("例え。example"), "xn--r8jz45g.example");
  EXPECT_EQ(domain("faß.example"), "xn--fa-hia.example");
  EXPECT_EQ(domain("ＥＸＡＭＰＬＥ．com"), "example.com");
  EXPECT_EQ(domain("℀.example"), "none");  // maps to "a/c"
  EXPECT_EQ(Domain::parse("xn--r8jz45g.example")->unicode(), "例え.example");
  EXPECT_EQ(Domain::parse("xn--a.example")->unicode(), "xn--a.example");
}

TEST(Domain, WalksByLabels) {
  const auto d = *Domain::parse("a.b.example");
  EXPECT_EQ(d.labels(), 3u);
  EXPECT_EQ(d.parent()->text(), "b.example");
  EXPECT_FALSE(Domain::parse("example")->parent());
  EXPECT_TRUE(d.is_at_or_below(*Domain::parse("b.example")));
  EXPECT_TRUE(d.is_at_or_below(d));
  EXPECT_FALSE(Domain::parse("ab.example")->is_at_or_below(*Domain::parse("b.example")));
  EXPECT_EQ(d.name().text(), "a.b.example");
}

TEST(Address, KeepsTheLocalPartAsWritten) {
  for (const char* text : {"a..b.@docomo.ne.jp", ".a@b.example", "\"a b\".c@d.example", "\"@\"@c.example",
                           "\"\"@x.example", "a+b=c#d@x.example", "é@x.example", "\"a\\\"b\"@x.example"}) {
    const auto address = Address::parse(text);
    ASSERT_TRUE(address.ok()) << text;
    EXPECT_EQ(address->text(), text);
  }
  EXPECT_EQ(Address::parse("Fred@EXAMPLE.com")->text(), "Fred@example.com");
  EXPECT_TRUE(Address::parse(std::string(200, 'a') + "@x.example").ok());
}

TEST(Address, SaysWhatIsWrong) {
  const auto error = [](std::string_view text) { return Address::parse(text).error(); };
  EXPECT_EQ(error(""), AddressError::kEmpty);
  for (const char* text : {"a", "@b.example", "a b@c.example", "\"a\"b@c.example", "a\"b\"@c.example", "<a@b.example>",
                           "\"a@b.example", "a,b@c.example", "a\\@b@c.example"}) {
    EXPECT_EQ(error(text), AddressError::kSyntax) << text;
  }
  for (const char* text : {"a@b@c.example", "a@[192.0.2.1]", "a@", "a@b..c", "a@b c"}) {
    EXPECT_EQ(error(text), AddressError::kDomain) << text;
  }
  EXPECT_EQ(error("a\r\n@b.example"), AddressError::kLocalPart);
  EXPECT_EQ(error("\"a\n\"@b.example"), AddressError::kLocalPart);
  EXPECT_EQ(error(std::string_view("a\0b@c.example", 13)), AddressError::kLocalPart);
  EXPECT_EQ(error(std::string(250, 'a') + "@x.example"), AddressError::kTooLong);
}

TEST(Utf8, IsStrict) {
  EXPECT_TRUE(is_utf8("aé日😀"));
  for (const char* text :
       {"\x80", "\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe3\x81", "\xf5\x80\x80\x80"}) {
    EXPECT_FALSE(is_utf8(text));
  }
}

TEST(Utf8, AddressesForRecords) {
  EXPECT_EQ(address_text("a..b.@docomo.ne.jp"), "a..b.@docomo.ne.jp");
  EXPECT_EQ(address_text("用户@例子.example"), "用户@例子.example");
  EXPECT_EQ(address_text("\xff@x.example"), "\\xff@x.example");
  EXPECT_EQ(address_text("a\x1b@x.example"), "a\\x1b@x.example");
  EXPECT_EQ(address_text("a\xc2\x9b@x.example"), "a\\xc2\\x9b@x.example");
  EXPECT_EQ(address_text("用" + std::string(320, 'a')).substr(0, 12), "\\xe7\\x94\\xa8");
}

MailboxList parse(std::string_view value) {
  core::Budget budget;
  return parse_mailboxes(value, budget);
}

// "name|addr_spec|address, ... ! oddities"
std::string shown(std::string_view value) {
  const MailboxList list = parse(value);
  std::string out;
  for (const Mailbox& box : list.mailboxes) {
    if (!out.empty()) out += ", ";
    out += box.display_name + "|" + (box.address ? box.address->text() : "?" + box.addr_spec);
    if (!box.comment.empty()) out += "(" + box.comment + ")";
  }
  return list.oddities.none() ? out : out + " ! " + list.oddities.words();
}

TEST(Mailboxes, TidyOnes) {
  EXPECT_EQ(shown(" a@b.example"), "|a@b.example");
  EXPECT_EQ(shown(" <a@b.example>"), "|a@b.example");
  EXPECT_EQ(shown(" John Q. Public <a@b.example>"), "John Q. Public|a@b.example");
  EXPECT_EQ(shown(" \"Doe, \\\"J\\\"\" <a@b.example>"), "Doe, \"J\"|a@b.example");
  EXPECT_EQ(shown(" a@b.example (Name (inner) here)"), "|a@b.example(Name (inner) here)");
  EXPECT_EQ(shown(" =?utf-8?B?5pel?=\r\n =?utf-8?B?5pys?= <a@b.example>"),
            "=?utf-8?B?5pel?= =?utf-8?B?5pys?=|a@b.example");
  EXPECT_EQ(shown(" a@b.example, C <c@d.example>"), "|a@b.example, C|c@d.example");
  EXPECT_EQ(shown(" \"a b\".c@d.example"), "|\"a b\".c@d.example");
  EXPECT_EQ(shown(" [List] Name <a@b.example>"), "[List] Name|a@b.example");
  EXPECT_EQ(shown(" 日本 <a..b.@docomo.ne.jp>"), "日本|a..b.@docomo.ne.jp");
  EXPECT_EQ(shown(""), "");
}

TEST(Mailboxes, Groups) {
  EXPECT_EQ(shown("undisclosed:;"), " ! group,empty_group");
  EXPECT_EQ(shown("undisclosed:(nobody);"), " ! group,empty_group");
  EXPECT_EQ(shown("A: x@y.example, Z <z@y.example>;"), "|x@y.example, Z|z@y.example ! group");
  EXPECT_EQ(shown("A: x@y.example; , b@y.example"), "|x@y.example, |b@y.example ! group");
  EXPECT_EQ(shown("Re: x <x@y.example>"), "x|x@y.example ! unclosed_group,group");
  EXPECT_EQ(parse("\"a@b.example\": x@y.example;").group_names.front(), "a@b.example");
  EXPECT_TRUE(parse("A: x@y.example;").mailboxes.front().in_group);
}

TEST(Mailboxes, EveryAmbiguityIsNamed) {
  EXPECT_EQ(shown("admin"), "admin|? ! missing_address");
  EXPECT_EQ(shown("<admin>"), "admin|? ! missing_address");
  EXPECT_EQ(shown("<>"), "|? ! missing_address");
  EXPECT_EQ(shown("name a@b.example"), "name|a@b.example ! missing_angle");
  EXPECT_EQ(shown("<a@b.example> tail"), "|a@b.example(tail) ! text_after_angle");
  EXPECT_EQ(shown("<a@b.example><c@d.example>"), "|a@b.example, |c@d.example ! two_angles");
  EXPECT_EQ(shown("a@b.example <c@d.example>"), "a@b.example|c@d.example ! at_in_name");
  EXPECT_EQ(shown("<@r.example,@s.example:a@b.example>"), "|a@b.example ! route");
  EXPECT_EQ(shown("<a(x)@b.example>"), "|a@b.example(x) ! comment_in_address");
  EXPECT_EQ(shown("a(x)b@c.example"), "a|b@c.example(x) ! missing_angle");
  EXPECT_EQ(shown("<a(x)b@c.example>"), "|?ab@c.example(x) ! bad_address,comment_in_address");
  EXPECT_EQ(shown("a @ b.example"), "|a@b.example ! space_in_address");
  EXPECT_EQ(shown("a@b@c.example"), "|?a@b@c.example ! two_ats,bad_address");
  EXPECT_EQ(shown("a@[192.0.2.1]"), "|?a@[192.0.2.1] ! literal");
  EXPECT_EQ(shown("\"a@b\"@c.example"), "|\"a@b\"@c.example ! at_in_quoted_local");
  EXPECT_EQ(shown("\"a\\b\"@c.example"), "|\"a\\b\"@c.example ! quoted_pair");
  EXPECT_EQ(shown("a@b.example;c@d.example"), "|a@b.example, |c@d.example ! stray_semicolon");
  EXPECT_EQ(shown("a@b.example,,c@d.example"), "|a@b.example, |c@d.example ! empty_element");
  EXPECT_EQ(shown("<a@b.example"), "|a@b.example ! unclosed_angle");
  EXPECT_EQ(shown("\"x (<a@b.example>"), "x|a@b.example ! unclosed_quote,unclosed_comment");
  EXPECT_EQ(shown("<a@b.example>\\,<c@d.example>"), "|a@b.example, |c@d.example ! stray_backslash");
  EXPECT_EQ(shown("é@b.example"), "|é@b.example ! non_ascii");
  EXPECT_EQ(shown("\xff <a@b.example>"), "\xff|a@b.example ! raw_8bit");
  EXPECT_EQ(shown(std::string_view("<a\0@b.example>", 14)).substr(0, 3), "|?a");
  EXPECT_TRUE(parse(std::string_view("<a\0@b.example>", 14)).oddities.has(Oddity::kNul));
}

TEST(Mailboxes, HostileInputCostsLinearTime) {
  for (const std::string piece : {"(", "\"", "<", "[", ",", "a@b,", ":;", "(a)", "<a>", "\\", "\"\"", "a.", "@", "<@",
                                  "\x1b$", "\x1b$\r\n ", "\x1b$B\x1b("}) {
    std::string value;
    while (value.size() < 300'000) value += piece;
    core::Budget budget;
    const auto list = parse_mailboxes(value, budget);
    EXPECT_FALSE(list.oddities.none()) << piece;
    EXPECT_LE(list.mailboxes.size(), 10'000u);
  }
}

}  // namespace
}  // namespace sekisho::mail
