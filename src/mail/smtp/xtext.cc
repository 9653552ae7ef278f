#include "mail/smtp/xtext.h"

#include "base/core/text.h"

namespace sekisho::smtp {

std::optional<std::string> decode_xtext(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (!core::is_vchar(c) || c == '=') return std::nullopt;
    if (c != '+') {
      out += c;
      continue;
    }
    const std::string_view digits = text.substr(i + 1, 2);
    if (digits.size() != 2 || digits.find_first_not_of("0123456789ABCDEF") != std::string_view::npos)
      return std::nullopt;
    out += *core::unhex(digits);
    i += 2;
  }
  return out;
}

std::string encode_xtext(std::string_view octets) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  for (const char c : octets) {
    if (core::is_vchar(c) && c != '+' && c != '=') {
      out += c;
      continue;
    }
    const auto octet = static_cast<unsigned char>(c);
    ((out += '+') += kDigits[octet >> 4]) += kDigits[octet & 15];
  }
  return out;
}

}  // namespace sekisho::smtp
