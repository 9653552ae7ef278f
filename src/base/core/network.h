#pragma once
// A network in CIDR form, as operators write it: "192.0.2.0/24", "2001:db8::/32", or one address. IPv4 and IPv6 never
// match each other; a mapped IPv6 address is IPv4.
#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/core/ip_address.h"

namespace sekisho::core {

struct Network {
  IpAddress address;
  unsigned bits = 0;
  static std::optional<Network> parse(std::string_view text);
  bool contains(const IpAddress& ip) const { return ip.in_prefix(address, bits); }
};

// Whom an address can be reached by (the special-purpose registries of RFC 6890). Networks for documentation count as
// public. The IPv4 address inside 64:ff9b::/96 (NAT64, RFC 6052) decides for both.
enum class Reach : std::uint8_t { kPublic, kPrivate, kLoopback, kUnspecified, kLinkLocal, kMulticast, kReserved };
Reach reach_of(const IpAddress& ip);
std::string_view word(Reach reach);  // "public" "private" "loopback" ...

inline bool in_any(const std::vector<Network>& networks, const IpAddress& ip) {
  return std::any_of(networks.begin(), networks.end(), [&](const Network& n) { return n.contains(ip); });
}

}  // namespace sekisho::core
