#pragma once
// UTF-8 as RFC 3629 defines it: no overlong forms, no surrogates, nothing over U+10FFFF.
#include <cstddef>
#include <string>
#include <string_view>

namespace sekisho::mail {

// Octets of the character at the start of text: 1..4, or 0 when there is no valid one.
std::size_t utf8_length(std::string_view text);
bool is_utf8(std::string_view text);  // ASCII is UTF-8
// An address for records and people: as it was written, UTF-8 too (RFC 6531); what is neither that nor printable, or
// steers terminals, is escaped, and what is over 320 octets is cut.
std::string address_text(std::string_view address);

}  // namespace sekisho::mail
