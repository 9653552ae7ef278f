#include "mail/address/utf8.h"

namespace sekisho::mail {

std::size_t utf8_length(std::string_view text) {
  const auto at = [text](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const unsigned a = at(0), b = at(1);
  const auto tail = [&](std::size_t i) { return (at(i) & 0xc0u) == 0x80u; };
  if (text.empty()) return 0;
  if (a < 0x80) return 1;
  if (a >= 0xc2 && a <= 0xdf) return tail(1) ? 2 : 0;
  if (a >= 0xe0 && a <= 0xef) {
    const bool second = (a == 0xe0 ? b >= 0xa0 : true) && (a == 0xed ? b <= 0x9f : true);
    return second && tail(1) && tail(2) ? 3 : 0;
  }
  if (a >= 0xf0 && a <= 0xf4) {
    const bool second = (a == 0xf0 ? b >= 0x90 : true) && (a == 0xf4 ? b <= 0x8f : true);
    return second && tail(1) && tail(2) && tail(3) ? 4 : 0;
  }
  return 0;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t n = utf8_length(text);
    if (n == 0) return false;
    text.remove_prefix(n);
  }
  return true;
}

}  // namespace sekisho::mail
