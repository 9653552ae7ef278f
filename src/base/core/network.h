#pragma once
// A network in CIDR form, as operators write it: "192.0.2.0/24", "2001:db8::/32", or one address. IPv4 and IPv6 never
// match each other; a mapped IPv6 address is IPv4.
#include <algorithm>
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

inline bool in_any(const std::vector<Network>& networks, const IpAddress& ip) {
  return std::any_of(networks.begin(), networks.end(), [&](const Network& n) { return n.contains(ip); });
}

}  // namespace sekisho::core
