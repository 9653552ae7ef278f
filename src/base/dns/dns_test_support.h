#pragma once
// For the tests of this room.
#include "base/dns/dns.h"

namespace sekisho::dns {
inline Name name(std::string_view text) { return *Name::parse(text); }
}  // namespace sekisho::dns
