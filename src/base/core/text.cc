#include "base/core/text.h"

#include <algorithm>
#include <array>

namespace sekisho::core {

bool is_ascii(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) > 127; });
}

std::string to_lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = lower(c);
  return out;
}

bool iequals(std::string_view a, std::string_view b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return lower(x) == lower(y); });
}

bool istarts_with(std::string_view text, std::string_view prefix) {
  return text.size() >= prefix.size() && iequals(text.substr(0, prefix.size()), prefix);
}

namespace {
std::string_view trim_of(std::string_view text, std::string_view set) {
  const auto first = text.find_first_not_of(set);
  if (first == std::string_view::npos) return text.substr(0, 0);
  return text.substr(first, text.find_last_not_of(set) - first + 1);
}
}  // namespace

std::string_view trim(std::string_view text) { return trim_of(text, " \t"); }
std::string_view trim_fws(std::string_view text) { return trim_of(text, " \t\r\n"); }

std::optional<std::uint64_t> parse_uint(std::string_view digits, std::uint64_t max) {
  if (digits.empty()) return {};
  std::uint64_t value = 0;
  for (char c : digits) {
    if (!is_digit(c)) return {};
    const std::uint64_t d = static_cast<std::uint64_t>(c - '0');
    if (value > (max - d) / 10) return {};
    value = value * 10 + d;
  }
  return value <= max ? std::optional(value) : std::nullopt;
}

std::string hex(std::string_view octets) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(octets.size() * 2);
  for (unsigned char c : octets) {
    out += kDigits[c >> 4];
    out += kDigits[c & 15];
  }
  return out;
}

std::optional<std::string> unhex(std::string_view text) {
  if (text.size() % 2) return {};
  std::string out;
  int high = -1;
  for (char c : text) {
    int v;
    if (is_digit(c))
      v = c - '0';
    else if (lower(c) >= 'a' && lower(c) <= 'f')
      v = lower(c) - 'a' + 10;
    else
      return {};
    if (high < 0) {
      high = v;
    } else {
      out += static_cast<char>(high << 4 | v);
      high = -1;
    }
  }
  return out;
}

namespace {
constexpr std::string_view k64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view k32 = "abcdefghijklmnopqrstuvwxyz234567";

constexpr auto reverse_table(std::string_view alphabet, bool fold) {
  std::array<signed char, 256> table{};
  for (auto& v : table) v = -1;
  for (std::size_t i = 0; i < alphabet.size(); ++i) {
    table[static_cast<unsigned char>(alphabet[i])] = static_cast<signed char>(i);
    if (fold && alphabet[i] >= 'a') table[static_cast<unsigned char>(alphabet[i] - 32)] = static_cast<signed char>(i);
  }
  return table;
}
constexpr auto kFrom64 = reverse_table(k64, false);
constexpr auto kFrom32 = reverse_table(k32, true);

// Groups of `bits` per character; the octets follow each other most significant bit first.
std::string spread(std::string_view octets, std::string_view alphabet, int bits) {
  std::string out;
  out.reserve(octets.size() * 8 / static_cast<std::size_t>(bits) + 4);
  unsigned hold = 0;
  int have = 0;
  for (unsigned char c : octets) {
    hold = (hold << 8 | c) & 0xffff;
    have += 8;
    while (have >= bits) {
      have -= bits;
      out += alphabet[(hold >> have) & ((1u << bits) - 1)];
    }
  }
  if (have > 0) out += alphabet[(hold << (bits - have)) & ((1u << bits) - 1)];
  return out;
}
}  // namespace

std::string base64(std::string_view octets) {
  std::string out = spread(octets, k64, 6);
  while (out.size() % 4) out += '=';
  return out;
}

std::optional<std::string> unbase64(std::string_view text, bool skip_fws) {
  std::string out;
  out.reserve(text.size() * 3 / 4);
  unsigned hold = 0;
  int have = 0, count = 0, padding = 0;
  for (char c : text) {
    if (skip_fws && is_fws(c)) continue;
    if (c == '=') {
      if (++padding > 2) return {};
      continue;
    }
    const int v = kFrom64[static_cast<unsigned char>(c)];
    if (v < 0 || padding) return {};
    ++count;
    hold = (hold << 6 | static_cast<unsigned>(v)) & 0xffff;
    have += 6;
    if (have >= 8) {
      have -= 8;
      out += static_cast<char>(hold >> have & 0xff);
    }
  }
  if (count % 4 == 1 || (padding && (count + padding) % 4)) return {};
  return out;
}

std::string base32(std::string_view octets) { return spread(octets, k32, 5); }

std::optional<std::string> unbase32(std::string_view text) {
  std::string out;
  unsigned hold = 0;
  int have = 0;
  for (char c : text) {
    const int v = kFrom32[static_cast<unsigned char>(c)];
    if (v < 0) return {};
    hold = (hold << 5 | static_cast<unsigned>(v)) & 0xffff;
    have += 5;
    if (have >= 8) {
      have -= 8;
      out += static_cast<char>(hold >> have & 0xff);
    }
  }
  if (hold & ((1u << have) - 1)) return {};
  return out;
}

std::string printable(std::string_view octets, std::size_t max) {
  const auto plain = [](char c) { return c >= 0x20 && c < 0x7f && c != '\\'; };
  if (octets.size() <= max && std::all_of(octets.begin(), octets.end(), plain)) return std::string(octets);
  std::string out;
  for (char c : octets) {
    if (out.size() >= max) return out + "...";
    if (plain(c)) {
      out += c;
    } else {
      out += "\\x";
      out += hex(std::string_view(&c, 1));
    }
  }
  return out;
}

}  // namespace sekisho::core
