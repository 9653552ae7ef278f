#include "mail/smtp/reply.h"

#include <algorithm>

#include "base/core/text.h"

namespace sekisho::smtp {
namespace {
// RFC 5321 section 4.5.3.1.5: a reply line has at most 512 octets with its code and CRLF.
constexpr std::size_t kMaxText = 480;
constexpr std::size_t kMaxLines = 50;

bool is_plain(const std::string& text) {
  return text.size() <= kMaxText && std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}
}  // namespace

std::string Reply::format() const {
  const bool known = code >= 200 && code <= 599;
  const std::string number = std::to_string(known ? code : 451);
  const std::size_t count = std::clamp<std::size_t>(lines.size(), 1, kMaxLines);
  std::string out;
  for (std::size_t i = 0; i < count; ++i) {
    out += number;
    out += i + 1 < count ? '-' : ' ';
    if (!enhanced.empty()) (out += core::printable(enhanced, 12)) += ' ';
    if (i < lines.size()) out += is_plain(lines[i]) ? lines[i] : core::printable(lines[i], kMaxText);
    // A text of several lines given as one would break the reply; printable() has escaped its CR and LF.
    out += "\r\n";
  }
  return out;
}

}  // namespace sekisho::smtp
