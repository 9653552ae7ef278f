// Nothing from the wire becomes a Domain without the parser's yes.
// refused: private|no matching function|could not convert|conversion from
#include "mail/address/address.h"

using sekisho::mail::Domain;

std::optional<Domain> take(const std::string& text) {
#ifdef CONTROL
  return Domain::parse(text);
#else
  Domain domain(text);
  return domain;
#endif
}
