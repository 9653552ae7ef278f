// The two texts of a mailbox: as Mail::SRS takes it, and as SMTP has it.
#include <algorithm>

#include "base/core/text.h"
#include "mail/address/address.h"
#include "mail/srs/srs.h"

namespace sekisho::srs {

namespace {

// RFC 5321 section 4.1.2: what stands outside quotes. RFC 6531 section 3.3 adds everything over 127.
bool is_bare(char c) { return core::is_atext(c) || static_cast<unsigned char>(c) > 127; }

bool is_dot_string(std::string_view local) {
  bool dot = true;  // none at the start, none behind another
  for (const char c : local) {
    if (c == '.' ? dot : !is_bare(c)) return false;
    dot = c == '.';
  }
  return !dot;
}

// Dots may stand anywhere, as at Japanese carriers; all else as in a dot-string.
bool bears_no_quotes(std::string_view local) {
  return std::all_of(local.begin(), local.end(), [](char c) { return c == '.' || is_bare(c); });
}

}  // namespace

core::Result<Mailbox, SrsError> split_plain(std::string_view text) {
  const auto at = text.rfind('@');
  if (at == std::string_view::npos || at == 0 || text.find('@') != at) return core::error(SrsError::kAddress);
  if (text.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos)
    return core::error(SrsError::kAddress);
  if (!mail::Domain::parse(text.substr(at + 1))) return core::error(SrsError::kAddress);
  return Mailbox{std::string(text.substr(0, at)), std::string(text.substr(at + 1))};
}

core::Result<WireMailbox, SrsError> from_wire(std::string_view text) {
  const auto address = mail::Address::parse(text);
  if (!address) return core::error(SrsError::kAddress);
  WireMailbox out;
  const std::string& local = address->local();
  for (std::size_t i = 0; i < local.size(); ++i) {
    if (local[i] == '"') {
      out.quoted = true;
      continue;
    }
    if (local[i] == '\\') ++i;  // within quotes, and never the last: the address was parsed
    out.mailbox.local += local[i];
  }
  out.mailbox.host = std::string(text.substr(local.size() + 1));
  if (out.mailbox.host.back() == '.') out.mailbox.host.pop_back();
  if (out.mailbox.local.empty()) return core::error(SrsError::kAddress);
  return out;
}

std::string to_wire(const Mailbox& mailbox, bool was_quoted) {
  const std::string& local = mailbox.local;
  if (is_dot_string(local) || (!was_quoted && bears_no_quotes(local))) return mailbox.text();
  std::string out = "\"";
  for (const char c : local) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"@" + mailbox.host;
}

}  // namespace sekisho::srs
