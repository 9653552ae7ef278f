#pragma once
// DNS messages (RFC 1035 section 4) to and from octets, with EDNS (RFC 6891). For the client and for a server. No I/O.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/budget.h"
#include "base/core/result.h"
#include "base/dns/dns.h"
#include "base/dns/name.h"

namespace sekisho::dns {

constexpr std::uint16_t kClassIn = 1;
constexpr std::uint16_t kTypeOpt = 41;
constexpr std::uint16_t kTypeAny = 255;
constexpr std::uint16_t kEdnsSize = 1232;  // passes every path without fragments
constexpr std::size_t kHeaderSize = 12;

enum class Rcode : std::uint16_t {
  kNoError = 0,
  kFormErr = 1,
  kServFail = 2,
  kNxDomain = 3,
  kNotImp = 4,
  kRefused = 5,
  kBadVers = 16
};
enum class Opcode : std::uint8_t { kQuery = 0, kStatus = 2, kNotify = 4, kUpdate = 5 };

struct Header {
  std::uint16_t id = 0;
  Opcode opcode = Opcode::kQuery;
  Rcode rcode = Rcode::kNoError;  // over 15 only with EDNS
  bool response = false;
  bool authoritative = false;
  bool truncated = false;
  bool recursion_desired = false;
  bool recursion_available = false;
  bool authenticated = false;      // AD, RFC 4035 section 3.2.3
  bool checking_disabled = false;  // CD
  bool operator==(const Header&) const = default;
};

struct Question {
  Name name;
  Type type = Type::kA;
  std::uint16_t qclass = kClassIn;
  bool operator==(const Question&) const = default;
};

struct Record {
  Name owner;
  Type type = Type::kA;
  std::uint16_t rclass = kClassIn;
  std::uint32_t ttl_s = 0;
  std::string rdata;  // names of NS, CNAME, SOA, PTR, MX uncompressed and lower case; all else as it came
  bool operator==(const Record&) const = default;
};

struct Edns {
  std::uint16_t size_bytes = kEdnsSize;  // values under 512 mean 512
  std::uint8_t version = 0;
  bool dnssec_ok = false;
  std::string options;  // as they came
  bool operator==(const Edns&) const = default;
};

struct Message {
  Header header;
  std::vector<Question> questions;
  std::vector<Record> answers, authorities, additionals;  // the OPT record is not among them
  std::optional<Edns> edns;
  bool operator==(const Message&) const = default;
};

enum class PacketError : std::uint8_t {
  kShort,     // ends inside the header, a record or a name
  kCounts,    // the header promises more records than the octets can hold
  kName,      // a label over 63 or a name over 255 octets, a pointer that does not go back, too many pointers
  kRdata,     // RDATA does not have the form of its type
  kOpt,       // two OPT records, an OPT that is not in the additional section or not of the root
  kTrailing,  // octets behind the last record
  kTooMuch,   // the budget is empty
};

// The header alone, so that a server can answer FORMERR to what decode() refuses. Nothing under 12 octets.
std::optional<Header> decode_header(std::string_view packet);
// Takes one part for each question and record, and steps for the octets and labels looked at.
core::Result<Message, PacketError> decode(std::string_view packet, core::Budget& budget);

// Names are compressed. What does not fit in max_bytes (at least 512) is left out record by record from the end and,
// if an answer or authority record is missing, TC is set (RFC 2181 section 9).
std::string encode(const Message& message, std::size_t max_bytes = 65535);

// A recursive query; edns_bytes 0: without EDNS. AD asks for the AD bit in the reply (RFC 6840 section 5.7).
std::string encode_query(std::uint16_t id, const Name& name, Type type, std::uint16_t edns_bytes = kEdnsSize);

}  // namespace sekisho::dns
