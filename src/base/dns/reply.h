#pragma once
// From a reply message to an Answer, and whether a reply belongs to a query. No I/O. Private to this room.
#include <string_view>

#include "base/dns/dns.h"
#include "base/dns/packet.h"

namespace sekisho::dns {

constexpr std::uint32_t kMaxReplyRecords = 1000;
constexpr std::size_t kMaxAnswerOctets = 256u << 10;
constexpr std::uint32_t kMaxTtl = 86400;

// True when the reply has the id and the one question of the query, octet by octet if `exact_case`.
// FORMERR without a question counts too (servers that cannot read EDNS send the bare header).
bool belongs_to(std::string_view query, std::string_view reply, bool exact_case);

// Follows CNAMEs inside the answer section. A referral (no recursion, nothing answered) is kServFail.
// `unfinished`: a CNAME chain ends without records and without a word about its end: ask for canonical.
Answer make_answer(const Message& reply, const Name& name, Type type, bool* unfinished = nullptr);

}  // namespace sekisho::dns
