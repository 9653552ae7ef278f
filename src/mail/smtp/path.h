#pragma once
// The path of MAIL and RCPT (RFC 5321 section 4.1.2), kept byte-exact. Lenient where real mail is not tidy (the
// unquoted dots of Japanese carriers' addresses, local parts over 64 octets), never about CR, LF, NUL, blanks or a
// second '@' outside quotes. A source route "@a,@b:" is taken off (RFC 5321 appendix C: SHOULD ignore it), so every
// decision is about the real domain.
#include <optional>
#include <string>
#include <string_view>

#include "base/core/ip_address.h"
#include "base/core/result.h"
#include "mail/address/address.h"

namespace sekisho::smtp {

enum class PathError {
  kBrackets,   // not of the form <...>
  kSyntax,     // blanks, controls or a stray special character
  kLocalPart,  // empty or with characters that need quotes
  kNoDomain,   // a local part alone
  kDomain,     // what follows '@' is no domain
  kLiteral,    // a broken [address literal]
  kTooLong,    // over 256 octets with its brackets (RFC 5321 section 4.5.3.1.3)
  kNonAscii,   // beyond ASCII without SMTPUTF8 (RFC 6531)
};

struct Path {
  enum class Kind : unsigned char { kNull, kMailbox, kLiteral, kPostmaster };
  Kind kind = Kind::kNull;
  std::string text;                        // what stood between the brackets, without the source route: "" for <>
  std::optional<mail::Address> address;    // kMailbox: the local part as written and the domain
  std::optional<core::IpAddress> literal;  // kLiteral: user@[192.0.2.1]
  bool source_route = false;               // one was taken off
  bool non_ascii = false;                  // text has UTF-8 in it, left as it came; the domain in address is A-labels
  bool null() const { return kind == Kind::kNull; }
  std::string_view local() const;  // octets before the last '@' outside quotes; all of text for kPostmaster
};

// Reads "<...>" at the front of text and takes it off; what follows is left to the caller. utf8: RFC 6531 section 3.3
// allows more than ASCII.
core::Result<Path, PathError> parse_path(std::string_view& text, bool utf8 = false);

}  // namespace sekisho::smtp
