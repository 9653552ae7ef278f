#include "road/identity/author/author.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sekisho::author {
namespace {

using testing::Contains;
using testing::IsEmpty;
using testing::Not;

struct Seen {
  std::vector<std::string> codes;
  std::string domain;
  std::vector<std::string> addresses, others;
};

Seen judge(std::string octets) {
  core::Budget budget;
  const auto message = mail::Message::parse(std::move(octets), budget);
  if (!message) return {{std::string(finding_of(message.error()).code)}, "none", {}, {}};
  const Author author = evaluate(**message, budget);
  Seen seen;
  for (const auto& finding : author.findings) seen.codes.emplace_back(finding.code);
  for (const auto& address : author.addresses) seen.addresses.push_back(address.text());
  for (const auto& domain : author.other_domains) seen.others.push_back(domain.text());
  seen.domain = author.author_domain ? author.author_domain->text() : "none";
  return seen;
}

Seen from(std::string_view value) {
  return judge("From: " + std::string(value) + "\r\nTo: u@dest.example\r\n\r\nx\r\n");
}

TEST(Author, TidyMailHasNoFindings) {
  for (const char* value :
       {"x@a.example", "<x@a.example>", "Sender <x@A.Example.>", "\"Doe, J\" <x@a.example>", "x@a.example (Name)",
        "=?iso-2022-jp?B?GyRCNFg9ahsoQg==?=\r\n <x@a.example>", "関所 <x@a.example>", "\"x@a.example\" <X@a.example>",
        "\"Sales @ Company\" <x@a.example>", "[ML] Name <x@a.example>", "\"(*^_^*) 👍🏽 ❤️\" <x@a.example>",
        "J. R. Doe <x@a.example>"}) {
    const Seen seen = from(value);
    EXPECT_THAT(seen.codes, IsEmpty()) << value;
    EXPECT_EQ(seen.domain, "a.example") << value;
    EXPECT_THAT(seen.others, IsEmpty());
  }
}

TEST(Author, UnencodedJapanese) {
  const auto kanji = [](std::string_view octets) { return "\x1b$B" + std::string(octets) + "\x1b(B"; };
  for (const std::string& name : {kanji("4X=j"), "\"" + kanji("4X=j") + "\"", "\"" + kanji("DMK\\") + "\""}) {
    EXPECT_THAT(from(name + " <x@a.example>").codes, IsEmpty()) << name;
    EXPECT_EQ(from(name + " <x@a.example>").domain, "a.example");
  }
  const Seen seen = from("\"" + kanji("!\"<y@b.example>!") + "\" <x@a.example>");
  EXPECT_THAT(seen.codes, Contains("from_ambiguous"));
  EXPECT_EQ(seen.domain, "none");
  EXPECT_THAT(from("\"\xaa\xad\x81\" <x@a.example>").codes, testing::ElementsAre("display_name_undecodable"));
}

TEST(Author, UntidyButOneAuthor) {
  for (const char* value : {"Doe, John <x@a.example>", "Name x@a.example", "<x@a.example> tail",
                            "x@a.example <x@a.example>", "\"Name <x@a.example>", "x@a.example,", "<x@a.example>;"}) {
    const Seen seen = from(value);
    EXPECT_EQ(seen.codes, std::vector<std::string>{"from_untidy"}) << value;
    EXPECT_EQ(seen.domain, "a.example") << value;
  }
}

TEST(Author, AmbiguousValuesSpeakForNobody) {
  for (const char* value : {"<x@a.example><y@b.example>",
                            "y@b.example <x@a.example>",
                            "<@b.example:x@a.example>",
                            "\"y@b.example\"@a.example",
                            "x@a.example(y@b.example",
                            "\"y@b.example (<x@a.example>",
                            "<y@b.example>\\,<x@a.example>",
                            "G: x@a.example;",
                            "y@b.example x@a.example",
                            "<x@a.example> <y@b.example",
                            "<y@b.example@a.example>, x@a.example",
                            "=?utf-8?B?PGFkbWluQGJhbmsuZXhhbXBsZT4=?=,<x@a.example>",
                            "=?utf-8?B?PGFkbWluQGJhbmsuZXhhbXBsZT4=?= <x@a.example>",
                            "<=?utf-8?q?y=40b.example?=@a.example>",
                            "<admin＠bank．example@a.example>",
                            "<y(c)@(d)b.example>",
                            "y@b.example .a.example",
                            "x@a.example; y@b.example",
                            "\"y\\@b.example,\"@a.example",
                            "<y@b.example,x@a.example>",
                            "x@a.example > y@b.example",
                            "(<y@b.example>) <x@a.example>",
                            "y@b.example (<x@a.example>)"}) {
    const Seen seen = from(value);
    EXPECT_THAT(seen.codes, Contains("from_ambiguous")) << value;
    EXPECT_EQ(seen.domain, "none") << value;
  }
}

TEST(Author, SeveralAddresses) {
  Seen seen = from("x@a.example, y@b.example");
  EXPECT_EQ(seen.codes, std::vector<std::string>{"from_multiple_addresses"});
  EXPECT_EQ(seen.domain, "none");
  EXPECT_EQ(seen.others, (std::vector<std::string>{"a.example", "b.example"}));
  seen = from("x@a.example, y@a.example");
  EXPECT_EQ(seen.codes, std::vector<std::string>{"from_multiple_addresses"});
  EXPECT_EQ(seen.domain, "a.example");
}

TEST(Author, NoUsableFrom) {
  for (const char* value :
       {"", "admin", "<>", "b.example:;", "<admin>", "a@", "@b.example", "a@[192.0.2.1]", "a@b@c.example"}) {
    const Seen seen = from(value);
    EXPECT_THAT(seen.codes, Contains("from_missing")) << value;
    EXPECT_EQ(seen.domain, "none") << value;
  }
  EXPECT_THAT(judge("Resent-From: <x@a.example>\r\n\r\n").codes, Contains("from_missing"));
  EXPECT_THAT(judge("\r\nFrom: <x@a.example>\r\n\r\n").codes, Contains("from_missing"));
}

TEST(Author, BulkDoesNotHideTheAuthor) {
  std::string fields;
  for (int i = 0; i < 9'999; ++i) fields += "X-" + std::to_string(i) + ": y\r\n";
  EXPECT_EQ(judge(fields + "From: <x@a.example>\r\n\r\n").domain, "a.example");
  EXPECT_THAT(judge(fields + "X: y\r\nFrom: <x@a.example>\r\n\r\n").codes, Contains("too_complex"));
  const Seen first = from("x@a.example" + std::string(2'000'000, ','));
  EXPECT_THAT(first.codes, Contains("too_complex"));
  EXPECT_EQ(first.domain, "none");
  EXPECT_EQ(first.others, std::vector<std::string>{"a.example"});
  EXPECT_THAT(from(std::string(2'000'000, '.') + " <x@a.example>").codes, Contains("too_complex"));
}

TEST(Author, FieldsThatLookLikeFrom) {
  const std::string good = "From: <x@a.example>\r\n";
  EXPECT_THAT(judge(good + "FROM: <y@b.example>\r\n\r\n").codes, Contains("from_multiple"));
  EXPECT_THAT(judge(good + "From : <y@b.example>\r\n\r\n").codes, Contains("from_multiple"));
  for (const std::string other :
       {"From\r\n : <y@b.example>\r\n", "Fr\xd0\xbem: <y@b.example>\r\n", "F\x01rom: <y@b.example>\r\n",
        "Fr om: <y@b.example>\r\n", "From\xe2\x80\x8b: <y@b.example>\r\n", "From\xc2\xa0: <y@b.example>\r\n",
        "\xef\xbb\xbf"
        "From: <y@b.example>\r\n",
        "Ｆｒｏｍ: <y@b.example>\r\n"}) {
    for (const std::string& both : {good + other, other + good}) {
      const Seen seen = judge(both + "\r\n");
      EXPECT_THAT(seen.codes, Contains("from_ambiguous")) << both;
      EXPECT_THAT(seen.codes, Contains("header_malformed")) << both;
      EXPECT_EQ(seen.domain, "none") << both;
      EXPECT_THAT(seen.others, Contains("b.example")) << both;
    }
  }
  EXPECT_THAT(judge(std::string("From\0: <y@b.example>\r\n", 22) + good + "\r\n").codes, Contains("from_ambiguous"));
  EXPECT_THAT(judge(" From: <y@b.example>\r\n" + good + "\r\n").codes, Contains("from_ambiguous"));
  EXPECT_THAT(judge("From : <x@a.example>\r\n\r\n").codes, Contains("from_ambiguous"));
  EXPECT_THAT(judge(good + "X: a\r\n From: <y@b.example>\r\n\r\n").codes, Contains("from_in_fold"));
  EXPECT_THAT(judge(good + "DKIM-Signature: h=\r\n From:To\r\n\r\n").codes, IsEmpty());
  EXPECT_THAT(judge(good + "X-From: <y@b.example>\r\nFrom-X: y\r\n\r\n").codes, IsEmpty());
}

TEST(Author, HeaderShape) {
  const std::string good = "From: <x@a.example>\r\n";
  EXPECT_THAT(judge(good + " \r\nFrom: <y@b.example>\r\n\r\n").codes, Contains("header_malformed"));
  EXPECT_EQ(judge(good + "X: a\r\n \r\n b\r\n\r\n").codes, std::vector<std::string>{"header_untidy"});
  EXPECT_EQ(judge("X: a\r\n \r\n b\r\n" + good + "\r\n").codes, std::vector<std::string>{"header_malformed"});
  EXPECT_EQ(judge("From a@b Thu Jan 1 00:00:00 2026\r\n" + good + "\r\n").codes,
            std::vector<std::string>{"header_malformed"});
  EXPECT_EQ(judge(good + "Subject: a\rFrom: y@b.example\r\n\r\n").codes, std::vector<std::string>{"bare_cr"});
  EXPECT_EQ(judge(good + "Reply-To: a\r\nReply-To: b\r\n\r\n").codes, std::vector<std::string>{"header_duplicate"});
  EXPECT_EQ(judge(good + "Sender: y@b.example, z@b.example\r\n\r\n").codes,
            std::vector<std::string>{"sender_unusable"});
}

TEST(Author, DisplayNames) {
  for (const char* value : {"\"y@b.example\" <x@a.example>", "=?utf-8?q?y=40b.example?= <x@a.example>",
                            "\"y＠b．example\" <x@a.example>", "x@a.example (y@b.example)",
                            "\"y@\xe2\x80\x8b"
                            "b.example\" <x@a.example>",
                            "\"=?utf-8?q?y=40b.example?=\" <x@a.example>", "\"y@b.example via L\" <x@a.example>"}) {
    EXPECT_THAT(from(value).codes, Contains("display_name_address_mismatch")) << value;
    EXPECT_EQ(from(value).domain, "a.example") << value;
  }
  EXPECT_THAT(from("=?utf-8?B?4oCubW9jLmtuYWJA?= <x@a.example>").codes, Contains("display_name_control"));
  EXPECT_THAT(from("=?utf-8?q?a=0Ab?= <x@a.example>").codes, Contains("display_name_control"));
  EXPECT_THAT(from("a\x1b[2Jb <x@a.example>").codes, Contains("display_name_control"));
  EXPECT_THAT(from("=?x-none?q?a?= <x@a.example>").codes, Contains("display_name_undecodable"));
}

TEST(Author, LookAlikeDomains) {
  EXPECT_THAT(from("<x@раураl.example>").codes, Contains("from_confusable"));
  EXPECT_THAT(from("<x@xn--80ak6aa92e.example>").codes, Contains("from_confusable"));  // "аррӏе"
  EXPECT_THAT(from("Bаnk <x@a.example>").codes, testing::ElementsAre("from_confusable"));
  EXPECT_THAT(from("Сорос Иван, IT-отдел <x@a.example>").codes, Not(Contains("from_confusable")));
  EXPECT_THAT(from("<x@bücher.example>").codes, testing::ElementsAre("non_ascii_address"));
  EXPECT_THAT(from("<x@xn--r8jz45g.example>").codes, IsEmpty());
  EXPECT_THAT(from("<日本@a.example>").codes, testing::ElementsAre("non_ascii_address"));
  EXPECT_THAT(from("<admin＠bank．example@a.example>").codes, Contains("from_confusable"));
}

std::string times(std::size_t count, std::string_view text) {
  std::string out;
  while (count-- > 0) out += text;
  return out;
}

// An address of somebody else does not hide behind many of one's own.
TEST(Author, ManyAddressesHideNone) {
  for (std::size_t count : {1u, 49u, 50u, 51u, 90u}) {
    const Seen comment = from("x@a.example (" + times(count, "x@a.jp ") + "<y@b.example>)");
    EXPECT_THAT(comment.codes, Contains("display_name_address_mismatch")) << count;
    EXPECT_EQ(comment.domain, "none") << count;
    const Seen own = from("x@a.jp (" + times(count, "x@a.jp ") + "<y@b.example>)");
    EXPECT_THAT(own.codes, Contains("display_name_address_mismatch")) << count;
    EXPECT_EQ(own.domain, "none") << count;
  }
  const Seen far = from("x@a.jp (" + times(3000, "x@a.jp ") + "\\) \"y@b.example");  // an unclosed comment
  EXPECT_EQ(far.domain, "none");
}

// What is made to be costly is not read to its end, and then nobody is the author.
TEST(Author, CostIsLimited) {
  const auto cost = [](std::string octets, Seen& seen) {
    core::Budget budget;
    const auto message = mail::Message::parse(std::move(octets), budget);
    const auto before = budget.steps;
    const Author author = evaluate(**message, budget);
    seen = {};
    for (const auto& finding : author.findings) seen.codes.emplace_back(finding.code);
    seen.domain = author.author_domain ? author.author_domain->text() : "none";
    return before - budget.steps;
  };
  Seen seen;
  const std::string words = times(180, "\u0430\u0430b ");
  EXPECT_LT(cost(times(2000, "From: " + words + "<x@a.example>\r\n") + "\r\n", seen), 2'000'000u);
  EXPECT_THAT(seen.codes, testing::IsSupersetOf({"from_multiple", "too_complex"}));
  EXPECT_LT(cost("From: " + times(300'000, "=?x?q?a?= ") + "<x@a.example>\r\n\r\n", seen), 2'000'000u);
  EXPECT_THAT(seen.codes, testing::IsSupersetOf({"from_ambiguous", "too_complex"}));
  EXPECT_LT(cost("From: x@a.example (" + times(300'000, "x@a.example ") + ")\r\n\r\n", seen), 2'000'000u);
  EXPECT_EQ(seen.domain, "none");
  cost(times(101, "X-\u0434: x\r\n") + "Fr\u043em: y@b.example\r\nFrom: x@a.example\r\n\r\n", seen);
  EXPECT_EQ(seen.domain, "none");
  EXPECT_THAT(seen.codes, Contains("from_ambiguous"));
  cost(times(50, "X-\u0434: x\r\n") + "From: x@a.example\r\n\r\n", seen);
  EXPECT_EQ(seen.domain, "a.example");
  EXPECT_LT(
      cost("From: " + times(400, "\"" + times(200, "a\u0430 ") + "\" <x@a.example>, ") + "x@a.example\r\n\r\n", seen),
      2'000'000u);
  EXPECT_THAT(seen.codes, testing::IsSupersetOf({"from_ambiguous", "display_name_long"}));
}

}  // namespace
}  // namespace sekisho::author
