#include "base/core/network.h"

#include <utility>

#include "base/core/text.h"

namespace sekisho::core {

std::optional<Network> Network::parse(std::string_view text) {
  const auto slash = text.find('/');
  const auto ip = IpAddress::parse(text.substr(0, slash));
  if (!ip) return {};
  const std::uint64_t most = ip->is_v4() ? 32 : 128;
  const auto bits = slash == std::string_view::npos ? std::optional(most) : parse_uint(text.substr(slash + 1), most);
  if (!bits) return {};
  return Network{ip->masked(static_cast<unsigned>(*bits)), static_cast<unsigned>(*bits)};
}

namespace {
struct Range {
  const char* network;
  Reach reach;
};
// The first that matches counts.
constexpr Range kRanges[] = {
    {"0.0.0.0/8", Reach::kUnspecified},  {"10.0.0.0/8", Reach::kPrivate},       {"100.64.0.0/10", Reach::kPrivate},
    {"127.0.0.0/8", Reach::kLoopback},   {"169.254.0.0/16", Reach::kLinkLocal}, {"172.16.0.0/12", Reach::kPrivate},
    {"192.168.0.0/16", Reach::kPrivate}, {"224.0.0.0/4", Reach::kMulticast},    {"240.0.0.0/4", Reach::kReserved},
    {"0.0.0.0/0", Reach::kPublic},       {"::/128", Reach::kUnspecified},       {"::1/128", Reach::kLoopback},
    {"2000::/3", Reach::kPublic},        {"fc00::/7", Reach::kPrivate},         {"fe80::/10", Reach::kLinkLocal},
    {"fec0::/10", Reach::kPrivate},      {"ff00::/8", Reach::kMulticast}};
}  // namespace

Reach reach_of(const IpAddress& ip) {
  static const auto table = [] {
    std::vector<std::pair<Network, Reach>> out;
    for (const Range& range : kRanges)
      if (const auto network = Network::parse(range.network)) out.emplace_back(*network, range.reach);
    return out;
  }();
  static const Network nat64 = *Network::parse("64:ff9b::/96");
  if (nat64.contains(ip)) {
    const auto& o = ip.octets();
    return reach_of(
        IpAddress::v4(std::uint32_t{o[12]} << 24 | std::uint32_t{o[13]} << 16 | std::uint32_t{o[14]} << 8 | o[15]));
  }
  for (const auto& [network, reach] : table)
    if (network.contains(ip)) return reach;
  return Reach::kReserved;
}

std::string_view word(Reach reach) {
  constexpr std::string_view kWords[] = {"public",     "private",   "loopback", "unspecified",
                                         "link-local", "multicast", "reserved"};
  return kWords[static_cast<std::size_t>(reach)];
}

}  // namespace sekisho::core
