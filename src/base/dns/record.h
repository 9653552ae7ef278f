#pragma once
// RDATA octets (uncompressed) to and from what rooms see. Private to this room.
#include <string>
#include <string_view>

#include "base/dns/dns.h"

namespace sekisho::dns {

constexpr unsigned kMaxCnames = 8;
constexpr std::uint32_t kMaxNegativeTtl = 300;

// Appends one record to the member of Answer that belongs to its type. False when the RDATA is not of that type's form.
bool append_rdata(Answer& answer, Type type, std::string_view rdata);
// TXT: character-strings of at most 255 octets (RFC 1035 section 3.3.14); the empty text is one empty string.
std::string text_rdata(std::string_view text);
// The MINIMUM field of SOA RDATA (RFC 2308 section 4); nothing when it is not SOA.
std::optional<std::uint32_t> soa_minimum(std::string_view rdata);
// Length of the uncompressed name at the start of `octets`; 0 when there is none.
std::size_t name_length(std::string_view octets);

void put16(std::string& out, std::uint32_t v);
void put32(std::string& out, std::uint32_t v);
inline std::uint32_t get16(std::string_view octets, std::size_t at) {
  return static_cast<std::uint32_t>(static_cast<unsigned char>(octets[at])) << 8 |
         static_cast<unsigned char>(octets[at + 1]);
}
inline std::uint32_t get32(std::string_view octets, std::size_t at) {
  return get16(octets, at) << 16 | get16(octets, at + 2);
}

}  // namespace sekisho::dns
