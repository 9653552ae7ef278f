// Nothing from the wire reaches the DNS without the parser's yes.
// refused: no matching function|could not convert|conversion from
#include "base/dns/name.h"

using sekisho::dns::Name;

std::optional<Name> take(const std::string& text) {
#ifdef CONTROL
  return Name::parse(text);
#else
  Name name(text);
  return name;
#endif
}
