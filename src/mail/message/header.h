#pragma once
// The header of a message cut into fields, for message.cc only.
#include <optional>

#include "mail/message/message.h"

namespace sekisho::mail {

struct Header {
  std::vector<HeaderField> fields;  // their raw parts, one after the other, are the header octet by octet
  HeaderShape shape;
  std::size_t size = 0;        // without the blank line
  std::size_t body_start = 0;  // after the blank line
};

// text: CRLF line ends only. Nothing when the budget is empty.
std::optional<Header> scan_header(std::string_view text, core::Budget& budget);

}  // namespace sekisho::mail
