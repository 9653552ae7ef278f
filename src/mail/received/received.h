#pragma once
// The from-clause of a Received field (RFC 5321 section 4.4) as real servers write it: who handed the mail to the host
// that wrote the field. Parts of it are the client's own words (HELO, reverse name, ident), so it is read by the forms
// of known servers, never searched for something that looks like an address: where two readings are possible the field
// is unreadable. Pure and re-entrant.
#include <string>
#include <string_view>

#include "base/core/ip_address.h"

namespace sekisho::received {

enum class Kind : unsigned char {
  kFrom,        // a client by SMTP
  kLocal,       // no from-clause: the mail began on the host that wrote the field
  kUnreadable,  // a form nobody knows, or two readings
};

struct Clause {
  Kind kind = Kind::kUnreadable;
  core::IpAddress ip;  // kFrom
  std::string helo;    // kFrom: what the client called itself; "" when it is not told
};

// value: behind the colon, folds and all.
Clause parse(std::string_view value);

}  // namespace sekisho::received
