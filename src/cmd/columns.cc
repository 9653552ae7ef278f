#include "cmd/columns.h"

#include <algorithm>
#include <cstdint>

namespace sekisho::cmd {
namespace {

struct Range {
  char32_t first, last;
};
constexpr Range kWide[] = {{0x1100, 0x115f}, {0x2e80, 0x303e},   {0x3041, 0xa4cf},   {0xa960, 0xa97c},
                           {0xac00, 0xd7a3}, {0xf900, 0xfaff},   {0xfe30, 0xfe6f},   {0xff01, 0xff60},
                           {0xffe0, 0xffe6}, {0x1f300, 0x1f64f}, {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd}};
constexpr Range kNone[] = {{0x300, 0x36f}, {0x200b, 0x200f}, {0x20d0, 0x20ff}, {0x3099, 0x309a}, {0xfe00, 0xfe0f}};

template <std::size_t N>
bool stands_in(const Range (&ranges)[N], char32_t letter) {
  return std::any_of(ranges, ranges + N, [letter](Range r) { return r.first <= letter && letter <= r.last; });
}

// The letter at the start of the text, which loses it.
char32_t take_letter(std::string_view& text) {
  const auto first = static_cast<unsigned char>(text[0]);
  const std::size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 1;
  char32_t letter = size == 1 ? first : first & (0x7fu >> size);
  for (std::size_t at = 1; at < size; ++at) {
    if (at >= text.size() || (text[at] & 0xc0) != 0x80) return text.remove_prefix(1), first;
    letter = letter << 6 | (static_cast<unsigned char>(text[at]) & 0x3f);
  }
  text.remove_prefix(size);
  return letter;
}

std::string blanks(std::string_view text, std::size_t width) {
  const std::size_t taken = places(text);
  return std::string(taken < width ? width - taken : 0, ' ');
}

}  // namespace

std::size_t places(std::string_view text) {
  std::size_t sum = 0;
  while (!text.empty()) {
    const char32_t letter = take_letter(text);
    sum += stands_in(kNone, letter) ? 0 : stands_in(kWide, letter) ? 2 : 1;
  }
  return sum;
}

std::string left(std::string_view text, std::size_t width) { return std::string(text) + blanks(text, width); }
std::string right(std::string_view text, std::size_t width) { return blanks(text, width) + std::string(text); }

}  // namespace sekisho::cmd
