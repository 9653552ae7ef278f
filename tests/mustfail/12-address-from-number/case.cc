// An IP address is made by name (v4, v6, parse), so that host and network order cannot be mixed up.
// refused: no matching function|private
#include "base/core/ip_address.h"

using sekisho::core::IpAddress;

IpAddress make() {
#ifdef CONTROL
  return IpAddress::v4(0x7f000001);
#else
  return IpAddress(0x7f000001);
#endif
}
