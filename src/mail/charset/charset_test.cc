#include "mail/charset/charset.h"

#include <gtest/gtest.h>

#include "mail/address/utf8.h"
#include "mail/charset/names.h"

namespace sekisho::mail {
namespace {

std::string utf8(std::string_view octets, std::string_view charset) {
  core::Budget budget;
  return to_utf8(octets, charset, budget);
}

DecodedText decoded(std::string_view text) {
  core::Budget budget;
  return decode_words(text, budget);
}

TEST(Charset, JapaneseAsItIsMailed) {
  EXPECT_EQ(utf8("\x1b$B4X=j\x1b(B!", "iso-2022-jp"), "関所!");
  EXPECT_EQ(utf8("\x1b$B-!\x1b(B", "ISO-2022-JP"), "①");  // NEC row 13
  EXPECT_EQ(utf8("\x1b$B|q\x1b(B", "cp50221"), "ⅰ");      // IBM extension in NEC rows
  EXPECT_EQ(utf8("\x1b(I1\x1b(B", "iso-2022-jp-ms"), "ｱ");
  EXPECT_EQ(utf8("\x1b$(D0!\x1b(B", "iso-2022-jp-1"), "丂");  // JIS X 0212
  EXPECT_EQ(utf8("\xb4\xd8\xbd\xea\xad\xa1\x8e\xb1", "eucJP-ms"), "関所①ｱ");
  EXPECT_EQ(utf8("\x8f\xb0\xa1", "euc-jp"), "丂");
  EXPECT_EQ(utf8("\x8a\xd6\x8f\x8a\x87\x40\xb1", "Shift_JIS"), "関所①ｱ");
  EXPECT_EQ(utf8("\x8a\xd6\x8f\x8a", "x-sjis"), "関所");
  EXPECT_EQ(utf8("\xed\x40\xfa\x5c", "windows-31j"), "纊纊");
  EXPECT_EQ(utf8("\\~", "cp932"), "\\~");
  EXPECT_EQ(utf8("\x80\xa0\xfd\xfe\xff", "cp932").find('\x1a'), std::string::npos);
  EXPECT_EQ(utf8("\x1b$B\xff\x1b(Ba", "iso-2022-jp"),
            "\xef\xbf\xbd"
            "a");
}

TEST(Charset, OtherCountries) {
  EXPECT_EQ(utf8("\xb0\xa1\x8c\x63", "ks_c_5601-1987"), "가똠");
  EXPECT_EQ(utf8("\xc4\xe3\x81\x40", "gb2312"), "你丂");
  EXPECT_EQ(utf8("\xa7\x41", "big5"), "你");
  EXPECT_EQ(utf8("caf\xe9 \x80", "iso-8859-1"), "café €");
  EXPECT_EQ(utf8("\xcf\xf0", "windows-1251"), "Пр");
  EXPECT_EQ(utf8("\xf0\xd2", "koi8-r"), "Пр");
  EXPECT_EQ(utf8("\xfe", "iso-8859-9"), "ş");
}

// Converters are kept open: whoever spells a name in a thousand ways gets one.
TEST(Charset, SpellingsOfANameAreOneConverter) {
  for (const char* spelling : {"koi8-r", "k-o-i-8-r", "KOI8_R", "koi-08-r", "k o i 8 r", "koi8----------r"})
    EXPECT_EQ(charset_of(spelling).icu_name, charset_of("koi8-r").icu_name) << spelling;
  EXPECT_EQ(utf8("\xf0\xd2", "k-o-i-8-r"), "Пр");
  EXPECT_EQ(charset_of("koi8-r,swaplfnl").kind, CharsetKind::kUnknown);
  EXPECT_EQ(charset_of("koi9-r").kind, CharsetKind::kUnknown);
}

TEST(Charset, BadOctetsNeverFail) {
  EXPECT_EQ(utf8("a\xff\x62", "utf-8"),
            "a\xef\xbf\xbd"
            "b");
  EXPECT_EQ(utf8("a\xc3", "utf8"), "a\xef\xbf\xbd");
  for (const char* name :
       {"shift_jis", "euc-jp", "iso-2022-jp", "gb18030", "euc-kr", "big5", "utf-7", "utf-16", "hz-gb-2312"}) {
    for (const char* octets : {"\xff\xff\xff", "\x81", "\x1b$B0", "\x1b$", "+", "\x80\x81\xfd\xfe"}) {
      EXPECT_TRUE(is_utf8(utf8(octets, name))) << name;
    }
  }
}

TEST(Charset, UnknownOnesAreGuessed) {
  EXPECT_FALSE(known_charset("x-nothing"));
  EXPECT_FALSE(known_charset(""));
  EXPECT_FALSE(known_charset("iso-2022-jp,locale=ja"));
  EXPECT_TRUE(known_charset("cp50221"));
  EXPECT_EQ(utf8("é", "unknown-8bit"), "é");
  EXPECT_EQ(utf8("\xe9", "unknown-8bit"), "é");
  EXPECT_EQ(utf8("\x1b$B4X\x1b(B", "x-nothing"), "関");
  EXPECT_EQ(utf8("é", "us-ascii"), "é");
}

TEST(EncodedWords, DecodeWhereverTheyStand) {
  EXPECT_EQ(decoded("=?utf-8?B?6Zai5omA?=").text, "関所");
  EXPECT_EQ(decoded("a =?UTF-8*ja?q?=E9=96=A2_x?= b").text, "a 関 x b");
  EXPECT_EQ(decoded("\"=?utf-8?q?x?=\"").text, "\"x\"");
  EXPECT_EQ(decoded("=?utf-8?q?a?=\r\n =?utf-8?q?b?= =?us-ascii?q?c?= d").text, "abc d");
  EXPECT_EQ(decoded("=?utf-8?B?6Z?= =?utf-8?B?ai?=").encoded, true);
  EXPECT_EQ(decoded("=?iso-2022-jp?B?GyRCNFg9ahsoQg==?=").text, "関所");
}

TEST(EncodedWords, OctetsOfOneCharacterMayBeSplit) {
  EXPECT_EQ(decoded("=?utf-8?Q?=E9=96?= =?UTF-8?Q?=A2?=").text, "関");
  EXPECT_EQ(decoded("=?utf-8?B?6Zai5g==?=\r\n\t=?utf-8?B?iYA=?=").text, "関所");
}

TEST(EncodedWords, BrokenOnesStayText) {
  for (const char* text : {"=?utf-8?B?abc", "=?utf-8?X?abc?=", "=??q?a", "=?", "=?a b?q?c?=", "=?utf-8?"}) {
    const auto d = decoded(text);
    EXPECT_EQ(d.text, text);
    EXPECT_TRUE(d.malformed) << text;
  }
  EXPECT_TRUE(decoded("=?x-nothing?q?a?=").malformed);
  EXPECT_TRUE(decoded("=?utf-8?B?a!b?=").malformed);
  EXPECT_EQ(decoded("=?utf-8?Q?100=?=").text, "100=");
  EXPECT_TRUE(decoded("caf\xe9").raw_8bit);
  EXPECT_EQ(decoded("caf\xe9").text, "café");
}

TEST(EncodedWords, HostileInputCostsLinearTime) {
  for (const std::string piece : {"=?", "=?a?b?",
                                  "=?a?q?"
                                  "?=",
                                  "=?utf-8?q?", "=?utf-8?B?YQ?= "}) {
    std::string text;
    while (text.size() < 400'000) text += piece;
    decoded(text);
  }
}

TEST(Look, FactsAboutCharacters) {
  EXPECT_TRUE(text_facts("\xe2\x80\xae"
                         "moc.knab@")
                  .bidi);
  EXPECT_TRUE(text_facts("a\xe2\x80\x8b"
                         "b")
                  .invisible);
  EXPECT_TRUE(text_facts("a\xc2\xad"
                         "b")
                  .invisible);
  EXPECT_TRUE(text_facts("a\nb").control);
  EXPECT_TRUE(text_facts("a\xc2\x85"
                         "b")
                  .control);
  EXPECT_TRUE(text_facts("\xef\xbf\xbd").replacement);
  for (const char* fine : {"関所", "👨‍👩‍👧", "Tab\there", "می‌خواهم", "❤️", "葛󠄀"}) {
    const auto facts = text_facts(fine);
    EXPECT_FALSE(facts.control || facts.bidi || facts.invisible || facts.replacement) << fine;
  }
}

TEST(Look, CompatibleAndSkeleton) {
  EXPECT_EQ(compatible("admin＠bank．example"), "admin@bank.example");
  EXPECT_EQ(compatible("a\xe2\x80\x8b@\xe2\x80\xae"
                       "b"),
            "a@b");
  EXPECT_EQ(skeleton("раураl"), skeleton("paypal"));
  EXPECT_TRUE(looks_ascii("Frоm"));
  EXPECT_TRUE(looks_ascii("Ｆｒｏｍ"));
  EXPECT_FALSE(looks_ascii("From"));
  EXPECT_FALSE(looks_ascii("関所"));
  EXPECT_FALSE(looks_ascii("bücher"));
  EXPECT_TRUE(mixes_scripts("bаnkж"));
  EXPECT_FALSE(mixes_scripts("bücher"));
  EXPECT_FALSE(mixes_scripts("関所メールxyz"));
  EXPECT_FALSE(mixes_scripts("банк"));
}

}  // namespace
}  // namespace sekisho::mail
