#pragma once
// Where a signed message keeps what is signed and the signature: the little of MIME (RFC 2045, 2046, 1847) that this
// needs. For this room only; views live as long as the message.
#include <string>
#include <string_view>

#include "base/core/budget.h"
#include "mail/message/message.h"
#include "road/finding/finding.h"

namespace sekisho::smime {

struct ContentType {
  std::string type;  // "multipart/signed", lower case; "" when it cannot be read
  std::string boundary, protocol, smime_type;
  bool twice = false;  // a parameter that matters stands there twice
};
ContentType parse_content_type(std::string_view value);

struct Signed {
  road::AuthResult result = road::AuthResult::kNone;  // kPass: signed, read on; else the final word
  std::string reason;
  bool detached = false;
  std::string_view content;  // detached: the octets that are signed
  std::string cms;           // DER or BER, decoded
};
// False: the body need not be looked at.
bool may_be_signed(const ContentType& type);
// type: of the first Content-Type; body: the whole body. The budget pays an octet each.
Signed find_signed(const mail::Message& message, const ContentType& type, std::string_view body, core::Budget& budget);

struct Parts {
  std::string_view first, second;
  std::string_view fault;  // "" when there are exactly two
};
// RFC 2046 section 5.1.1: delimiters stand at the start of a line; the CRLF before one belongs to it.
Parts split(std::string_view body, std::string_view boundary);

}  // namespace sekisho::smime
