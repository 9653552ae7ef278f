#pragma once
// Octet-wise helpers for protocol text. ASCII only, no locale: octets over 127 are never changed.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sekisho::core {

constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_alpha(char c) { return lower(c) >= 'a' && lower(c) <= 'z'; }
constexpr bool is_alnum(char c) { return is_digit(c) || is_alpha(c); }
constexpr bool is_wsp(char c) { return c == ' ' || c == '\t'; }
constexpr bool is_fws(char c) { return is_wsp(c) || c == '\r' || c == '\n'; }
constexpr bool is_vchar(char c) { return c > ' ' && c < 127; }  // RFC 5234 appendix B.1: printable, no blank
// RFC 5322 section 3.2.3: what an atom is made of.
constexpr bool is_atext(char c) {
  return is_alnum(c) || std::string_view("!#$%&'*+-/=?^_`{|}~").find(c) != std::string_view::npos;
}
constexpr bool is_control(char c) { return static_cast<unsigned char>(c) < ' ' || c == 127; }

bool is_ascii(std::string_view text);
std::string to_lower(std::string_view text);
bool iequals(std::string_view a, std::string_view b);
bool istarts_with(std::string_view text, std::string_view prefix);
std::string_view trim(std::string_view text);      // SP and HTAB on both sides
std::string_view trim_fws(std::string_view text);  // SP, HTAB, CR, LF on both sides
// A decimal number of digits only; nothing when empty, signed, not a digit, or beyond max.
std::optional<std::uint64_t> parse_uint(std::string_view digits, std::uint64_t max = UINT64_MAX);

std::string hex(std::string_view octets);
std::optional<std::string> unhex(std::string_view text);
std::string base64(std::string_view octets);
// RFC 4648 section 4. Padding may be missing; anything outside the alphabet is refused.
// With skip_fws, SP HTAB CR LF between characters are ignored (DKIM, RFC 6376 section 2.10).
std::optional<std::string> unbase64(std::string_view text, bool skip_fws = false);
std::string base32(std::string_view octets);  // lower case a-z2-7, no padding
std::optional<std::string> unbase32(std::string_view text);

// For people and logs: every octet outside printable ASCII becomes \xNN, the text is cut at max with "...".
std::string printable(std::string_view octets, std::size_t max = 200);

}  // namespace sekisho::core
