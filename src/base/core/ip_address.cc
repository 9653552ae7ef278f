#include "base/core/ip_address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

namespace sekisho::core {

namespace {
constexpr std::array<std::uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
}

IpAddress IpAddress::v4(std::uint32_t bits) {
  std::array<std::uint8_t, 16> o{};
  std::copy(kMapped.begin(), kMapped.end(), o.begin());
  for (int i = 0; i < 4; ++i) o[12 + static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(bits >> (24 - 8 * i));
  return IpAddress(o);
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  char buffer[INET6_ADDRSTRLEN + 1];
  if (text.empty() || text.size() >= sizeof buffer || text.find('\0') != std::string_view::npos) return {};
  std::memcpy(buffer, text.data(), text.size());
  buffer[text.size()] = 0;
  in_addr a4;
  if (inet_pton(AF_INET, buffer, &a4) == 1) return v4(ntohl(a4.s_addr));
  std::array<std::uint8_t, 16> octets{};
  if (inet_pton(AF_INET6, buffer, octets.data()) == 1) return IpAddress(octets);
  return {};
}

bool IpAddress::is_v4() const { return std::equal(kMapped.begin(), kMapped.end(), octets_.begin()); }

std::uint32_t IpAddress::v4_bits() const {
  return std::uint32_t{octets_[12]} << 24 | std::uint32_t{octets_[13]} << 16 | std::uint32_t{octets_[14]} << 8 |
         octets_[15];
}

std::string IpAddress::text() const {
  char buffer[INET6_ADDRSTRLEN];
  if (is_v4())
    inet_ntop(AF_INET, octets_.data() + 12, buffer, sizeof buffer);
  else
    inet_ntop(AF_INET6, octets_.data(), buffer, sizeof buffer);
  return buffer;
}

IpAddress IpAddress::masked(unsigned bits) const {
  const unsigned from = is_v4() ? 96 : 0;
  bits = std::min(bits, 128 - from) + from;
  auto octets = octets_;
  for (unsigned i = 0; i < 16; ++i) {
    const unsigned keep = bits > i * 8 ? std::min(8u, bits - i * 8) : 0;
    octets[i] = static_cast<std::uint8_t>(octets[i] & (0xff00u >> keep));
  }
  return IpAddress(octets);
}

bool IpAddress::in_prefix(const IpAddress& network, unsigned bits) const {
  if (is_v4() != network.is_v4()) return false;
  if (is_v4()) {
    if (bits == 0) return true;
    return bits <= 32 && (v4_bits() ^ network.v4_bits()) >> (32 - bits) == 0;
  }
  return bits <= 128 && masked(bits) == network.masked(bits);
}

bool IpAddress::is_loopback() const {
  if (is_v4()) return octets_[12] == 127;
  return std::all_of(octets_.begin(), octets_.begin() + 15, [](auto o) { return o == 0; }) && octets_[15] == 1;
}

}  // namespace sekisho::core
