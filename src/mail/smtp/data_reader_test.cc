// However the octets are cut into reads, a message comes out the same. What is whole lines goes another way through the
// reader than what comes octet by octet, so each is the other's witness.
#include "mail/smtp/data_reader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace sekisho::smtp {
namespace {

struct Read {
  bool ended = false, endless = false, looks_ended = false;
  DataFault fault = DataFault::kNone;
  std::uint64_t seen = 0;
  std::string octets, rest;
  bool operator==(const Read&) const = default;
};
void PrintTo(const Read& r, std::ostream* out) {
  *out << "ended " << r.ended << ", endless " << r.endless << ", looks ended " << r.looks_ended << ", fault "
       << static_cast<int>(r.fault) << ", seen " << r.seen << ", octets " << ::testing::PrintToString(r.octets)
       << ", rest " << ::testing::PrintToString(r.rest);
}

Read read(std::string_view input, std::size_t cut, const DataLimits& limits) {
  OctetPool pool(1 << 20);
  DataReader reader(limits, OctetLease(&pool), 0);
  Read out;
  while (!input.empty() && !out.ended && !reader.endless()) {
    std::string_view piece = input.substr(0, cut);
    const std::size_t before = piece.size();
    out.ended = reader.feed(piece);
    input.remove_prefix(before - piece.size());
  }
  out.endless = reader.endless();
  out.looks_ended = !out.ended && reader.looks_ended();
  out.fault = reader.fault();
  out.seen = reader.seen();
  out.rest = input;
  out.octets = reader.take_octets();
  return out;
}

void same_for_each_cut(const std::string& input, const DataLimits& limits) {
  const Read expected = read(input, 1, limits);
  for (const std::size_t cut : {std::size_t{2}, std::size_t{3}, std::size_t{5}, input.size()})
    ASSERT_EQ(read(input, std::max<std::size_t>(cut, 1), limits), expected)
        << ::testing::PrintToString(input) << " cut " << cut;
}

TEST(DataReader, EachShortInputIsTheSameHoweverCut) {
  constexpr std::string_view kAlphabet("a.\r\n\0", 5);
  for (std::size_t size = 1; size <= 6; ++size) {
    std::vector<std::size_t> digits(size, 0);
    for (bool more = true; more;) {
      std::string input;
      for (const std::size_t digit : digits) input += kAlphabet[digit];
      ASSERT_NO_FATAL_FAILURE(same_for_each_cut(input, {}));
      std::size_t at = 0;
      while (at < size && ++digits[at] == kAlphabet.size()) digits[at++] = 0;
      more = at < size;
    }
  }
}

TEST(DataReader, EachBadPieceBetweenCleanLinesIsTheSameHoweverCut) {
  const std::string lines = "one\r\ntwo\r\n\r\nthree\r\n";
  const std::string bad[] = {"x\ny\r\n",     "x\ry\r\n", "x\r\r\n",
                             "\n",           "\r",       ".\r\n",
                             "..\r\n",       ".x\r\n",   std::string("\0\r\n", 3),
                             "\r\n.\r\r\n",  ".\n",      "\n.\n",
                             "x.\r\n.y\r\n", "",         "a\n\r\n"};
  for (const std::string& first : bad)
    for (const std::string& second : bad)
      ASSERT_NO_FATAL_FAILURE(same_for_each_cut(lines + first + lines + second + lines + ".\r\nQUIT\r\n", {}));
}

TEST(DataReader, LimitsAreMetAtTheSameOctet) {
  const std::string lines = "one\r\nthe second line\r\n\r\n.\r\nQUIT\r\n";
  for (std::uint64_t limit = 1; limit < 40; ++limit) {
    ASSERT_NO_FATAL_FAILURE(same_for_each_cut(lines, {.size_bytes = limit}));
    ASSERT_NO_FATAL_FAILURE(same_for_each_cut(lines, {.line_bytes = limit}));
  }
  // Endless input ends at a line or a piece: never later than one read behind the limit.
  for (std::uint64_t limit = 1; limit < 60; ++limit) {
    const Read whole = read(std::string(200, 'x') + "\r\n" + lines, 16, {.discard_bytes = limit});
    EXPECT_TRUE(whole.endless);
    EXPECT_LE(whole.seen, limit + 16);
  }
  const Read clean = read(lines + lines, SIZE_MAX, {.discard_bytes = 10});
  EXPECT_TRUE(clean.endless);
  EXPECT_LE(clean.seen, 10u + 17u);
}

// Linear in the input, also where the quick way must be given up again and again.
TEST(DataReader, ACleanMegabyteWithABadEndIsNotReadTwicePerLine) {
  std::string input;
  for (int i = 0; i < 20'000; ++i) input += "\r\n";
  input.push_back('\0');
  input += "\r\n.\r\n";
  EXPECT_EQ(read(input, SIZE_MAX, {}).fault, DataFault::kNul);
  EXPECT_TRUE(read(input, SIZE_MAX, {}).ended);
}

}  // namespace
}  // namespace sekisho::smtp
