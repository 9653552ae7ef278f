#pragma once
// The DNS as the rooms see it: ask a name and a type, get one shared immutable answer. No answer is an error value:
// what went wrong is in Answer::code, so no caller can mistake a fault for "no records".
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/budget.h"
#include "base/core/ip_address.h"
#include "base/core/task.h"
#include "base/dns/name.h"

namespace sekisho::dns {

enum class Type : std::uint16_t {
  kA = 1,
  kNs = 2,
  kCname = 5,
  kSoa = 6,
  kPtr = 12,
  kMx = 15,
  kTxt = 16,
  kAaaa = 28,
  kSpf = 99,
  kTlsa = 52
};

enum class Code : std::uint8_t {
  kRecords,     // at least one record of the asked type at the end of the CNAME chain
  kNoData,      // the name exists, the type does not
  kNxDomain,    // the name (or the end of its CNAME chain) does not exist
  kServFail,    // SERVFAIL, REFUSED, NOTIMP or another code that says nothing about the name: temporary
  kTimeout,     // no usable reply in time: temporary
  kMalformed,   // replies that cannot be parsed, CNAME loops, answers over the caps: temporary
  kNotAllowed,  // the caller's budget of queries is empty; nothing was asked
};
constexpr bool is_temporary(Code c) { return c >= Code::kServFail; }

struct Mx {
  std::uint16_t preference;
  Name exchange;
};

// Only the member of the asked type is filled; the order is that of the reply.
struct Answer {
  Code code = Code::kNoData;
  std::vector<std::string> texts;          // TXT and SPF: character-strings joined, octets as they came
  std::vector<core::IpAddress> addresses;  // A, AAAA
  std::vector<Mx> exchanges;               // MX
  std::vector<Name> names;                 // PTR, NS, CNAME
  std::vector<std::string> raw;  // any other type: RDATA octets; TXT: raw[i] where texts[i] came in several strings
  Name canonical;                // the end of the CNAME chain (the asked name when there is none)
  std::uint32_t ttl_s = 0;       // least TTL on the way; negative answers: RFC 2308, at most 300
  bool authenticated = false;    // AD, and the resolver is reached over loopback
};
using AnswerPtr = std::shared_ptr<const Answer>;

// Thread-safe unless an implementation says otherwise. A name is asked as it is given: no search list.
class Resolver {
 public:
  virtual ~Resolver() = default;
  // The answer when it is at hand (cache, zone overlay), else null. Never suspends, never asks, costs no query.
  virtual AnswerPtr ready(const Name& name, Type type) = 0;
  // Asks when need be. Never null. Takes one query from the budget when something leaves the process (or would, with
  // an overlay in its place: the overlay counts too, so that limits can be tested).
  virtual core::Task<AnswerPtr> lookup(Name name, Type type, core::Budget& budget) = 0;
};

}  // namespace sekisho::dns
