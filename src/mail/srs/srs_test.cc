#include "mail/srs/srs.h"

#include <gtest/gtest.h>

#include "base/core/text.h"

namespace sekisho::srs {
namespace {

constexpr std::int64_t kNow = 1'704'462'070, kDay = 86'400;

Rewriter one(Options options = {}) { return Rewriter({"s3kret-7"}, options); }

std::string forward(const Rewriter& rewriter, const std::string& text, const std::string& alias = "fwd1.example",
                    std::int64_t now_s = kNow) {
  const auto mailbox = split_plain(text);
  if (!mailbox) return std::string(word(mailbox.error()));
  const auto out = rewriter.forward(*mailbox, alias, now_s);
  return out ? out->mailbox.text() : std::string(word(out.error()));
}

std::string reverse(const Rewriter& rewriter, const std::string& text, std::int64_t now_s = kNow) {
  const auto mailbox = split_plain(text);
  if (!mailbox) return std::string(word(mailbox.error()));
  const auto out = rewriter.reverse(*mailbox, now_s);
  return out ? out->mailbox.text() : std::string(word(out.error()));
}

// Made with Mail::SRS 0.31 at this time.
TEST(Srs, MakesTheOctetsOfMailSrs) {
  const Rewriter six({"s3kret-7"}, {6, '=', 21});
  const std::string srs0 = "SRS0=uN0LDG=IP=a.b.c.example.jp=srs0@fwd1.example";
  const std::string srs1 = "SRS1=GDfVa/=fwd1.example==uN0LDG=IP=a.b.c.example.jp=srs0@fwd2.example";
  EXPECT_EQ(forward(six, "srs0@a.b.c.example.jp"), srs0);
  EXPECT_EQ(forward(six, srs0, "fwd2.example"), srs1);
  EXPECT_EQ(forward(six, srs1, "fwd3.example"), srs1.substr(0, srs1.rfind('@')) + "@fwd3.example");
  EXPECT_EQ(reverse(six, srs1), srs0);
  EXPECT_EQ(reverse(six, srs0), "srs0@a.b.c.example.jp");
}

TEST(Srs, RefusesEveryChangeOfASignedAddress) {
  const auto rewriter = one();
  const std::string made = forward(rewriter, "user@source.example");
  std::size_t other_case = 0;
  for (std::size_t i = 5; i < made.rfind('@'); ++i) {
    for (const char c : std::string("aZ3.=/+\\ ")) {
      std::string changed = made;
      if (core::lower(changed[i]) == core::lower(c)) continue;
      changed[i] = c;
      const std::string back = reverse(rewriter, changed);
      EXPECT_TRUE(back == "hash" || back == "malformed" || back == "address") << changed << " gave " << back;
    }
    std::string upper = made;
    if (!core::is_alpha(upper[i])) continue;
    upper[i] = static_cast<char>(upper[i] ^ 0x20);
    other_case += core::iequals(reverse(rewriter, upper), "user@source.example");
  }
  EXPECT_GT(other_case, 20u);  // a server on the way that changes the case costs nothing
}

TEST(Srs, ADayStampEndsAndADayToComeIsRefused) {
  const auto rewriter = one();
  const std::string made = forward(rewriter, "user@source.example");
  EXPECT_EQ(reverse(rewriter, made, kNow + 21 * kDay), "user@source.example");
  EXPECT_EQ(reverse(rewriter, made, kNow + 22 * kDay), "expired");
  EXPECT_EQ(reverse(rewriter, made, kNow - kDay), "expired");
  EXPECT_EQ(reverse(rewriter, made, kNow + 1024 * kDay),
            "user@source.example");  // as in Mail::SRS: the cycle begins again
  const auto longer = one({4, '=', 49});
  EXPECT_EQ(reverse(longer, made, kNow + 49 * kDay), "user@source.example");
  EXPECT_EQ(reverse(longer, made, kNow + 50 * kDay), "expired");
}

// The fields are signed joined, so a longer stamp could take letters from the host and never be old.
TEST(Srs, AShiftedFieldBorderIsRefused) {
  const auto rewriter = one();
  const std::string made = forward(rewriter, "user@abc.example");  // SRS0=HHHH=IP=abc.example=user
  const std::string head = made.substr(0, 9);
  EXPECT_EQ(reverse(rewriter, head + "=IPA=bc.example=user@fwd1.example"), "malformed");
  EXPECT_EQ(reverse(rewriter, head + "=I=Pabc.example=user@fwd1.example"), "malformed");
  EXPECT_EQ(reverse(rewriter, head + "=IP=abc.exampleuser=@fwd1.example"), "malformed");
}

TEST(Srs, AShortHashIsNotBelievedAndALongOneMustBeWholeOurs) {
  const auto four = one(), eight = one({8, '=', 21});
  const std::string made4 = forward(four, "user@source.example"), made8 = forward(eight, "user@source.example");
  EXPECT_EQ(reverse(four, made8), "user@source.example");
  EXPECT_EQ(reverse(eight, made4), "hash");
  EXPECT_EQ(reverse(four, "SRS0==IP=source.example=user@fwd1.example"), "hash");
  EXPECT_EQ(reverse(four, "SRS0=" + std::string(40, 'A') + "=IP=source.example=user@fwd1.example"), "hash");
}

TEST(Srs, SecretsAreTurnedOverWithoutLosingABounce) {
  const Rewriter before({"old"}, {}), both({"new", "old"}, {}), after({"new"}, {});
  const std::string made = forward(before, "user@source.example");
  EXPECT_EQ(reverse(both, made), "user@source.example");
  EXPECT_EQ(both.reverse(*split_plain(made), kNow)->secret, 1u);
  EXPECT_EQ(reverse(after, made), "hash");
  EXPECT_EQ(forward(both, "user@source.example"), forward(after, "user@source.example"));
}

TEST(Srs, LocalPartsOfJapaneseCarriersSurvive) {
  const auto rewriter = one();
  for (const std::string sender :
       {"a..b.@docomo.ne.jp", ".x@docomo.ne.jp", "a=b+c-d@ezweb.ne.jp", "U.ser@Docomo.NE.jp"}) {
    const auto wire = from_wire(sender);
    ASSERT_TRUE(wire) << sender;
    const auto made = rewriter.forward(wire->mailbox, "fwd1.example", kNow);
    ASSERT_TRUE(made);
    const std::string text = to_wire(made->mailbox, wire->quoted);
    EXPECT_EQ(text, forward(rewriter, sender));  // no quotes, the same as Mail::SRS
    const auto back = from_wire(text);
    EXPECT_EQ(to_wire(rewriter.reverse(back->mailbox, kNow)->mailbox, back->quoted), sender);
  }
}

TEST(Srs, QuotesStandAroundTheWholeLocalPart) {
  const auto rewriter = one();
  const std::pair<std::string, std::string> cases[] = {{"\"john smith\"@x.example", "\"john smith\"@x.example"},
                                                       {"\"a@b\"@x.example", "\"a@b\"@x.example"},
                                                       {"\"a\\\"b\\\\c\"@x.example", "\"a\\\"b\\\\c\"@x.example"},
                                                       {"\"plain\"@x.example", "plain@x.example"},
                                                       {"\"a..b\"@x.example", "\"a..b\"@x.example"}};
  for (const auto& [sender, wanted] : cases) {
    const auto wire = from_wire(sender);
    ASSERT_TRUE(wire) << sender;
    const std::string text = to_wire(rewriter.forward(wire->mailbox, "fwd1.example", kNow)->mailbox, wire->quoted);
    const auto back = from_wire(text);
    ASSERT_TRUE(back) << text;
    EXPECT_EQ(to_wire(rewriter.reverse(back->mailbox, kNow)->mailbox, back->quoted), wanted) << text;
  }
}

TEST(Srs, WhatOnlyLooksLikeAnSrs1IsWrapped) {
  const auto rewriter = one();
  for (const std::string local : {"SRS1=", "SRS1=x", "SRS1=a=b.example", "SRS1=a=b.example=x",
                                  "SRS1=old.example==h=t=h=u", "SRS1+h=no host=+x"}) {
    const auto made = rewriter.forward({local, "other.example"}, "fwd1.example", kNow);
    ASSERT_TRUE(made) << local;
    EXPECT_EQ(made->form, Form::kSrs0) << local;
    EXPECT_EQ(rewriter.reverse(made->mailbox, kNow)->mailbox.local, local);
  }
  EXPECT_EQ(rewriter.forward({"srs1+h=b.example=-x", "other.example"}, "fwd1.example", kNow)->form, Form::kSrs1);
}

TEST(Srs, AnSrs1LeadsToTheFirstForwarderOnly) {
  const auto rewriter = one();
  const std::string srs1 = forward(rewriter, "SRS0-abcd=IP=x.example=u@first.example");
  EXPECT_EQ(srs1.substr(9), "=first.example=-abcd=IP=x.example=u@fwd1.example");
  EXPECT_EQ(reverse(rewriter, srs1), "SRS0-abcd=IP=x.example=u@first.example");
  EXPECT_EQ(reverse(rewriter, "SRS1=abcd=victim.example==u@fwd1.example"), "hash");
  EXPECT_EQ(reverse(rewriter, "SRS1=victim.example==abcd=IP=x=u@fwd1.example"), "malformed");  // without a hash
}

TEST(Srs, BadInputIsAnErrorAndNotAnAddress) {
  const auto rewriter = one();
  for (const std::string text : {"", "@", "a@", "@b.example", "noat", "a@b@c.example", "a\r\nb@c.example",
                                 "a@[192.0.2.1]", "a@192.0.2.1", "a@b c.example"})
    EXPECT_EQ(forward(rewriter, text), "address") << text;
  EXPECT_EQ(reverse(rewriter, "user@fwd1.example"), "not_srs");
  EXPECT_EQ(reverse(rewriter, "SRS0=@fwd1.example"), "malformed");
  EXPECT_EQ(reverse(rewriter, "SRS0=a=b@fwd1.example"), "malformed");
  EXPECT_EQ(reverse(rewriter, "SRS2=abcd=IP=x.example=u@fwd1.example"), "not_srs");
}

TEST(Srs, LongLocalPartsPassAndLongAddressesDoNot) {
  const auto rewriter = one();
  const std::string local(64, 'x');
  const std::string made = forward(rewriter, local + "@source.example");
  EXPECT_GT(made.rfind('@'), 64u);
  EXPECT_EQ(reverse(rewriter, made), local + "@source.example");
  EXPECT_EQ(forward(rewriter, std::string(230, 'x') + "@source.example"), "too_long");
}

TEST(Srs, WhatIsUnderTheAliasStays) {
  const auto rewriter = one();
  EXPECT_EQ(forward(rewriter, "User@FWD1.example"), "User@FWD1.example");
  EXPECT_EQ(forward(rewriter, "SRS0=abcd=IP=x.example=u@fwd1.example"), "SRS0=abcd=IP=x.example=u@fwd1.example");
}

}  // namespace
}  // namespace sekisho::srs
