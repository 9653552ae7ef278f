#pragma once
// xtext (RFC 3461 section 4), the form of values in ENVID, ORCPT, XCLIENT and XFORWARD.
#include <optional>
#include <string>
#include <string_view>

namespace sekisho::smtp {

// Printable ASCII but "+" and "=", and "+" with two upper case hex digits. What it stands for, or nothing.
std::optional<std::string> decode_xtext(std::string_view text);
std::string encode_xtext(std::string_view octets);

}  // namespace sekisho::smtp
