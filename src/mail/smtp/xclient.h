#pragma once
// XCLIENT (Postfix' XCLIENT_README): a peer that is trusted tells for whom it speaks. Attributes are NAME=VALUE words,
// values in xtext (RFC 3461 section 4); "[UNAVAILABLE]" and "[TEMPUNAVAIL]" are words of their own and mean not known.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/core/ip_address.h"
#include "base/core/result.h"
#include "mail/smtp/reply.h"

namespace sekisho::smtp {

// What EHLO tells a peer that may use it.
inline constexpr std::string_view kXclientAttributes = "NAME ADDR PORT PROTO HELO DESTADDR DESTPORT";

struct XclientCommand {
  // An attribute that was not given leaves what was known; given and empty means: not known.
  template <class T>
  struct Attribute {
    bool given = false;
    std::optional<T> value;
  };
  Attribute<std::string> name;  // the client's host name as the peer found it; [TEMPUNAVAIL] is no value either
  Attribute<core::IpAddress> address;
  Attribute<std::uint16_t> port;
  Attribute<bool> extended;     // PROTO: true is ESMTP
  Attribute<std::string> helo;  // printable, 1..255 octets without blanks
  Attribute<core::IpAddress> local_address;
  Attribute<std::uint16_t> local_port;
};

core::Result<XclientCommand, Reply> parse_xclient(std::string_view argument);

}  // namespace sekisho::smtp
