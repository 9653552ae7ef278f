#include "base/dns/reply.h"

#include <algorithm>

#include "base/core/text.h"
#include "base/dns/fault.h"
#include "base/dns/record.h"

namespace sekisho::dns {
namespace {

std::uint32_t usable_ttl(std::uint32_t ttl_s) {
  return ttl_s > INT32_MAX ? 0 : std::min(ttl_s, kMaxTtl);  // RFC 2181 section 8
}

// The SOA whose zone holds `name` bounds how long its absence may be believed (RFC 2308 section 5); without one: not at
// all.
std::optional<std::uint32_t> negative_ttl(const Message& reply, const Name& name) {
  for (const Record& record : reply.authorities) {
    if (record.type != Type::kSoa || record.rclass != kClassIn || !name.is_at_or_below(record.owner)) continue;
    if (const auto minimum = soa_minimum(record.rdata)) {
      return std::min({usable_ttl(record.ttl_s), usable_ttl(*minimum), kMaxNegativeTtl});
    }
  }
  return std::nullopt;
}

bool has_authority(const Message& reply, Type type) {
  return std::any_of(reply.authorities.begin(), reply.authorities.end(),
                     [type](const Record& record) { return record.type == type; });
}

enum class Step : std::uint8_t { kEnd, kNext, kBad, kTooMuch };

// One owner of the chain: takes its records of the asked type, or else goes on to its CNAME.
Step take_owner(const Message& reply, Type type, Answer& answer, std::size_t& octets) {
  const Record* cname = nullptr;
  bool any = false;
  for (const Record& record : reply.answers) {
    if (record.rclass != kClassIn || record.owner != answer.canonical) continue;
    if (record.type == type) {
      any = true;
      octets += record.rdata.size();
      if (octets > kMaxAnswerOctets) return Step::kTooMuch;
      if (!append_rdata(answer, type, record.rdata)) return Step::kBad;
      answer.ttl_s = std::min(answer.ttl_s, usable_ttl(record.ttl_s));
    } else if (record.type == Type::kCname) {
      if (cname && cname->rdata != record.rdata) return Step::kBad;  // RFC 2181 section 10.1
      cname = &record;
    }
  }
  if (any || !cname) return Step::kEnd;
  auto target = Name::from_wire(cname->rdata);
  if (!target) return Step::kBad;
  answer.ttl_s = std::min(answer.ttl_s, usable_ttl(cname->ttl_s));
  answer.canonical = std::move(*target);
  return Step::kNext;
}

bool has_records(const Answer& a) {
  return !a.texts.empty() || !a.addresses.empty() || !a.exchanges.empty() || !a.names.empty() || !a.raw.empty();
}

Answer failed(Code code, const Name& name, Fault fault = Fault::kNone) {
  Answer answer;
  answer.code = code;
  answer.canonical = name;
  set_fault(answer, fault);
  return answer;
}

Fault fault_of(Rcode rcode) {
  return rcode == Rcode::kRefused ? Fault::kRefused : rcode == Rcode::kServFail ? Fault::kNone : Fault::kOtherRcode;
}

}  // namespace

Fault fault_of(const Answer& answer) {
  const bool told = is_temporary(answer.code) && answer.raw.size() == 1 && answer.raw[0].size() == 1;
  return told ? static_cast<Fault>(answer.raw[0][0]) : Fault::kNone;
}

void set_fault(Answer& answer, Fault fault) {
  answer.raw.clear();
  if (fault != Fault::kNone) answer.raw.emplace_back(1, static_cast<char>(fault));
}

bool belongs_to(std::string_view query, std::string_view reply, bool exact_case) {
  if (query.size() < kHeaderSize || reply.size() < kHeaderSize || reply.substr(0, 2) != query.substr(0, 2))
    return false;
  const std::uint32_t flags = get16(reply, 2);
  if ((flags & 0xf800) != 0x8000) return false;  // a response to a standard query
  if (get16(reply, 4) == 0) return static_cast<Rcode>(flags & 15) == Rcode::kFormErr && reply.size() == kHeaderSize;
  const std::size_t size = name_length(query.substr(kHeaderSize)) + 4;
  if (get16(reply, 4) != 1 || reply.size() < kHeaderSize + size) return false;
  const std::string_view asked = query.substr(kHeaderSize, size), answered = reply.substr(kHeaderSize, size);
  if (exact_case) return asked == answered;
  return core::iequals(asked.substr(0, size - 4), answered.substr(0, size - 4)) &&
         asked.substr(size - 4) == answered.substr(size - 4);
}

Answer make_answer(const Message& reply, const Name& name, Type type, bool* unfinished) {
  const Header& header = reply.header;
  if (header.rcode != Rcode::kNoError && header.rcode != Rcode::kNxDomain)
    return failed(Code::kServFail, name, fault_of(header.rcode));
  Answer answer;
  answer.canonical = name;
  answer.ttl_s = kMaxTtl;
  answer.authenticated = header.authenticated;
  const auto of_name = [&name](const Record& record) { return record.owner == name; };
  // A reply that only speaks of names nobody asked for says nothing of this one.
  if (!reply.answers.empty() && std::none_of(reply.answers.begin(), reply.answers.end(), of_name))
    return failed(Code::kMalformed, name);
  std::size_t octets = 0;
  unsigned cnames = 0;
  for (Step step = Step::kNext; step == Step::kNext;) {
    step = take_owner(reply, type, answer, octets);
    if (step == Step::kTooMuch) return failed(Code::kMalformed, name, Fault::kTooManyRecords);
    if (step == Step::kBad || (step == Step::kNext && ++cnames > kMaxCnames)) return failed(Code::kMalformed, name);
  }
  if (has_records(answer)) {
    // The rcode speaks of the end of the chain (RFC 6604 section 3): both cannot be true.
    if (header.rcode == Rcode::kNxDomain) return failed(Code::kMalformed, name);
    answer.code = Code::kRecords;
    return answer;
  }
  answer.code = header.rcode == Rcode::kNxDomain ? Code::kNxDomain : Code::kNoData;
  const auto ttl = negative_ttl(reply, answer.canonical);
  if (unfinished && cnames > 0 && answer.code == Code::kNoData && !has_authority(reply, Type::kSoa)) {
    *unfinished = true;
    return answer;
  }
  answer.ttl_s = ttl ? std::min(answer.ttl_s, *ttl) : 0;
  if (answer.code == Code::kNxDomain || ttl) return answer;
  if (!header.authoritative && !header.recursion_available && has_authority(reply, Type::kNs)) {
    return failed(Code::kServFail, name);
  }
  return answer;
}

}  // namespace sekisho::dns
