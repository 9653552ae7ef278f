#include "road/identity/signature/signature.h"

#include <gtest/gtest.h>

#include <random>

#include "base/core/text.h"

namespace sekisho::signature {
namespace {

struct Text final : mail::BodySink {
  std::string text;
  void update(std::string_view octets) override { text += octets; }
};

std::string body(Canon canon, std::string_view text, std::size_t chunk = 0) {
  Text out;
  BodyCanonicalizer canonicalizer(canon, out);
  if (chunk == 0) {
    canonicalizer.update(text);
  } else {
    for (std::size_t at = 0; at < text.size(); at += chunk) canonicalizer.update(text.substr(at, chunk));
  }
  canonicalizer.finish();
  EXPECT_EQ(canonicalizer.size(), out.text.size());
  return out.text;
}

std::string field(Canon canon, std::string_view raw) {
  std::string out;
  append_canonical(canon, raw, out);
  return out;
}

core::Result<TagList, TagError> tags(std::string_view text) {
  core::Budget budget;
  return TagList::parse(text, budget);
}

TEST(Tags, TakesFoldsAndOneFinalSemicolon) {
  const auto list = tags("v=1; h = from :\r\n to ;\tb=\r\n\tab\r\n c ; ");
  ASSERT_TRUE(list);
  EXPECT_EQ(list->value("v"), "1");
  EXPECT_EQ(list->value("h"), "from :\r\n to");
  EXPECT_EQ(without_fws(*list->value("b")), "abc");
  EXPECT_EQ(list->find("b")->space, "\r\n\tab\r\n c ");
  EXPECT_FALSE(list->value("B"));
}

TEST(Tags, RefusesWhatIsNoTagList) {
  for (std::string_view bad : {"", ";", "v", "v=1;;a=b", "v=1; t", "1v=1", "v v=1", "=1", "v=\x7f"})
    EXPECT_FALSE(tags(bad)) << bad;
  EXPECT_FALSE(tags(std::string_view("s=a\0b", 5)));
  EXPECT_EQ(tags("d=a; s=b; d=c").error(), TagError::kDuplicate);
  std::string many;
  for (int i = 0; i < 200; ++i) many += "x" + std::to_string(i) + "=1;";
  EXPECT_EQ(tags(many).error(), TagError::kTooComplex);
  core::Budget poor;
  poor.steps = 3;
  EXPECT_EQ(TagList::parse("v=1; a=b", poor).error(), TagError::kTooComplex);
}

TEST(Tags, ValueMayHoldAnEqualsSign) {
  EXPECT_EQ(tags("i==6Along@messiah.example")->value("i"), "=6Along@messiah.example");
}

TEST(Quoted, Decodes) {
  EXPECT_EQ(decode_quoted("=6Along=40\r\n x"), "jlong@x");
  EXPECT_FALSE(decode_quoted("a=4"));
  EXPECT_FALSE(decode_quoted("a=zz"));
}

// RFC 6376 section 3.4.5, the examples.
TEST(Canonical, ExamplesOfTheRfc) {
  EXPECT_EQ(field(Canon::kRelaxed, "A: X\r\n"), "a:X\r\n");
  EXPECT_EQ(field(Canon::kRelaxed, "B : Y\t\r\n\tZ  \r\n"), "b:Y Z\r\n");
  EXPECT_EQ(field(Canon::kSimple, "B : Y\t\r\n\tZ  \r\n"), "B : Y\t\r\n\tZ  \r\n");
  EXPECT_EQ(body(Canon::kRelaxed, " C \r\nD \t E\r\n\r\n\r\n"), " C\r\nD E\r\n");
  EXPECT_EQ(body(Canon::kSimple, " C \r\nD \t E\r\n\r\n\r\n"), " C \r\nD \t E\r\n");
}

TEST(Canonical, EmptyBodies) {
  EXPECT_EQ(body(Canon::kSimple, ""), "\r\n");
  EXPECT_EQ(body(Canon::kRelaxed, ""), "");
  EXPECT_EQ(body(Canon::kSimple, "\r\n\r\n"), "\r\n");
  EXPECT_EQ(body(Canon::kRelaxed, " \t\r\n \r\n"), "");
  EXPECT_EQ(body(Canon::kRelaxed, "a"), "a\r\n");
  EXPECT_EQ(body(Canon::kSimple, "a"), "a\r\n");
  EXPECT_EQ(body(Canon::kSimple, "\r\n\r\na\r\n"), "\r\n\r\na\r\n");
  EXPECT_EQ(body(Canon::kRelaxed, "a\r\n\r\n\t\r\n b\t\tc \r\n \r\n"), "a\r\n\r\n\r\n b c\r\n");
}

TEST(Canonical, SignatureFieldLosesItsValueAndFinalLineEnd) {
  const std::string raw = "DKIM-Signature: v=1; b= ab\r\n cd ; x=1\r\n";
  const auto hole = std::string_view(raw).substr(raw.find("b=") + 2, 9);
  std::string simple, relaxed;
  append_canonical_signature(Canon::kSimple, raw, hole, simple);
  append_canonical_signature(Canon::kRelaxed, raw, hole, relaxed);
  EXPECT_EQ(simple, "DKIM-Signature: v=1; b=; x=1");
  EXPECT_EQ(relaxed, "dkim-signature:v=1; b=; x=1");
}

// The plain way to write section 3.4.4, to compare with.
std::string plain_relaxed(const std::string& text) {
  std::vector<std::string> lines(1);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text.compare(i, 2, "\r\n") == 0) {
      lines.emplace_back();
      ++i;
    } else {
      lines.back() += text[i];
    }
  }
  for (auto& line : lines) {
    std::string out;
    for (char c : line) {
      const bool space = c == ' ' || c == '\t';
      if (!space || out.empty() || out.back() != ' ') out += space ? ' ' : c;
    }
    if (!out.empty() && out.back() == ' ') out.pop_back();
    line = out;
  }
  while (!lines.empty() && lines.back().empty()) lines.pop_back();
  std::string out;
  for (auto& line : lines) out += line + "\r\n";
  return out;
}

TEST(Canonical, ChunksAndSpansAgreeWithThePlainWay) {
  std::mt19937 random(7);
  for (int round = 0; round < 4000; ++round) {
    std::string text;
    const auto size = random() % 90;
    while (text.size() < size) {
      static const char* const kPieces[] = {"a", "bc def ghi jkl mno pqr", " ", "\t", "\r\n", "\r\n\r\n", "  ", "=20"};
      text += kPieces[random() % 8];
    }
    const std::string whole = body(Canon::kRelaxed, text);
    ASSERT_EQ(whole, plain_relaxed(text)) << core::printable(text);
    ASSERT_EQ(body(Canon::kRelaxed, whole), whole);
    const std::string simple = body(Canon::kSimple, text);
    ASSERT_EQ(body(Canon::kSimple, simple), simple);
    for (std::size_t chunk : {1u, 2u, 3u, 7u, 19u}) {
      ASSERT_EQ(body(Canon::kRelaxed, text, chunk), whole) << core::printable(text);
      ASSERT_EQ(body(Canon::kSimple, text, chunk), simple) << core::printable(text);
    }
  }
}

std::string sha(Hash hash, std::string_view text) {
  Digest digest(hash);
  digest.update(text);
  return digest.finish();
}

TEST(BodyHasher, ManyLimitsInOnePass) {
  BodyHasher hasher;
  const auto all = hasher.want(Canon::kRelaxed, Hash::kSha256, {});
  const auto two = hasher.want(Canon::kRelaxed, Hash::kSha256, 2);
  const auto none = hasher.want(Canon::kRelaxed, Hash::kSha256, 0);
  const auto beyond = hasher.want(Canon::kRelaxed, Hash::kSha256, 99);
  const auto exact = hasher.want(Canon::kRelaxed, Hash::kSha256, 7);
  const auto sha1 = hasher.want(Canon::kSimple, Hash::kSha1, 3);
  EXPECT_EQ(hasher.want(Canon::kRelaxed, Hash::kSha256, 2), two);
  for (std::string_view chunk : {"H", "el", "l", "", "o \t\r", "\n\r\n"}) hasher.update(chunk);
  hasher.finish();
  EXPECT_EQ(hasher.size(Canon::kRelaxed), 7u);
  EXPECT_EQ(hasher.hash(all), sha(Hash::kSha256, "Hello\r\n"));
  EXPECT_EQ(hasher.hash(beyond), hasher.hash(all));
  EXPECT_EQ(hasher.hash(exact), hasher.hash(all));
  EXPECT_EQ(hasher.hash(two), sha(Hash::kSha256, "He"));
  EXPECT_EQ(hasher.hash(none), sha(Hash::kSha256, ""));
  EXPECT_EQ(hasher.hash(sha1), sha(Hash::kSha1, "Hel"));
}

TEST(Digest, KnownValues) {
  EXPECT_EQ(core::hex(sha(Hash::kSha1, "abc")), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(core::hex(sha(Hash::kSha256, "abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Selection, TakesFieldsFromTheBottomAndNeverTheOneUnderTest) {
  core::Budget budget;
  const auto message = mail::Message::parse(
      "Received: 1\r\nDKIM-Signature: a\r\nreceived: 2\r\nDKIM-Signature: b\r\nFrom: x\r\nRECEIVED: 3\r\n\r\n", budget);
  ASSERT_TRUE(message);
  const HeaderIndex index(**message);
  Selection selection(index, (*message)->all("DKIM-Signature")[1]);
  EXPECT_EQ(selection.left("Received"), 3u);
  EXPECT_EQ(selection.take("Received")->value, " 3");
  EXPECT_EQ(selection.take("received")->value, " 2");
  EXPECT_EQ(selection.take("received")->value, " 1");
  EXPECT_EQ(selection.take("received"), nullptr);
  EXPECT_EQ(selection.take("dkim-signature")->value, " a");
  EXPECT_EQ(selection.take("dkim-signature"), nullptr);
  EXPECT_EQ(selection.take("subject"), nullptr);
}

}  // namespace
}  // namespace sekisho::signature
