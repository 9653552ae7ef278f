#include "mail/address/utf8.h"

#include <algorithm>

#include "base/core/text.h"

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

std::string address_text(std::string_view address) {
  constexpr std::size_t kMax = 320;
  // U+0080..U+009F steer terminals.
  bool steers = false;
  for (std::size_t i = 0; i + 1 < address.size(); ++i)
    steers |= address[i] == '\xc2' && static_cast<unsigned char>(address[i + 1]) < 0xa0;
  const bool plain = address.size() <= kMax && !steers && is_utf8(address) &&
                     std::none_of(address.begin(), address.end(), core::is_control);
  return plain ? std::string(address) : core::printable(address, kMax);
}

}  // namespace sekisho::mail
