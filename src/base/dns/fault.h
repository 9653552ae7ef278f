#pragma once
// What is behind a temporary code, for those who tell people of it; for a mail the code says all.
#include <cstdint>

#include "base/dns/dns.h"

namespace sekisho::dns {

enum class Fault : std::uint8_t {
  kNone,            // the code says all: an answer, SERVFAIL, no reply, a reply that cannot be read
  kRefused,         // kServFail: the server will not answer us
  kOtherRcode,      // kServFail: NOTIMP, FORMERR and the like
  kTooManyRecords,  // kMalformed: over the caps of records or octets
};
Fault fault_of(const Answer& answer);
// For resolvers. An answer with a temporary code has no records: its kind of fault stands in their place.
void set_fault(Answer& answer, Fault fault);

}  // namespace sekisho::dns
