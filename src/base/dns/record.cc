#include "base/dns/record.h"

#include <array>
#include <cstring>

namespace sekisho::dns {
namespace {

bool append_texts(Answer& answer, std::string_view rdata) {
  if (rdata.empty()) return false;  // RFC 1035 section 3.3.14: one or more strings
  std::string joined;
  joined.reserve(rdata.size());
  unsigned strings = 0;
  for (std::size_t at = 0; at < rdata.size(); ++strings) {
    const auto length = static_cast<unsigned char>(rdata[at++]);
    if (length > rdata.size() - at) return false;
    joined.append(rdata.substr(at, length));
    at += length;
  }
  if (strings > 1) {
    answer.raw.resize(answer.texts.size());
    answer.raw.emplace_back(rdata);
  }
  answer.texts.push_back(std::move(joined));
  return true;
}

bool append_address(Answer& answer, Type type, std::string_view rdata) {
  if (type == Type::kA) {
    if (rdata.size() != 4) return false;
    answer.addresses.push_back(core::IpAddress::v4(get32(rdata, 0)));
    return true;
  }
  std::array<std::uint8_t, 16> octets;
  if (rdata.size() != octets.size()) return false;
  std::memcpy(octets.data(), rdata.data(), octets.size());
  answer.addresses.push_back(core::IpAddress::v6(octets));
  return true;
}

}  // namespace

bool append_rdata(Answer& answer, Type type, std::string_view rdata) {
  switch (type) {
    case Type::kA:
    case Type::kAaaa:
      return append_address(answer, type, rdata);
    case Type::kTxt:
    case Type::kSpf:
      return append_texts(answer, rdata);
    case Type::kMx: {
      if (rdata.size() < 3) return false;
      auto exchange = Name::from_wire(rdata.substr(2));
      if (!exchange) return false;
      answer.exchanges.push_back({static_cast<std::uint16_t>(get16(rdata, 0)), std::move(*exchange)});
      return true;
    }
    case Type::kNs:
    case Type::kCname:
    case Type::kPtr: {
      auto name = Name::from_wire(rdata);
      if (!name) return false;
      answer.names.push_back(std::move(*name));
      return true;
    }
    case Type::kSoa:
      if (!soa_minimum(rdata)) return false;
      [[fallthrough]];
    default:
      answer.raw.emplace_back(rdata);
      return true;
  }
}

std::string text_rdata(std::string_view text) {
  std::string out;
  do {
    const std::string_view part = text.substr(0, 255);
    out += static_cast<char>(part.size());
    out += part;
    text.remove_prefix(part.size());
  } while (!text.empty());
  return out;
}

std::optional<std::uint32_t> soa_minimum(std::string_view rdata) {
  const std::size_t first = name_length(rdata);
  if (first == 0) return std::nullopt;
  const std::size_t second = name_length(rdata.substr(first));
  if (second == 0 || rdata.size() != first + second + 20) return std::nullopt;
  return get32(rdata, rdata.size() - 4);
}

std::size_t name_length(std::string_view octets) {
  for (std::size_t at = 0; at < octets.size() && at < 255;) {
    const auto length = static_cast<unsigned char>(octets[at]);
    if (length == 0) return at + 1;
    if (length > 63) return 0;
    at += 1 + length;
  }
  return 0;
}

void put16(std::string& out, std::uint32_t v) {
  out += static_cast<char>(v >> 8 & 255);
  out += static_cast<char>(v & 255);
}

void put32(std::string& out, std::uint32_t v) {
  put16(out, v >> 16);
  put16(out, v & 0xffff);
}

}  // namespace sekisho::dns
