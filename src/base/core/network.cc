#include "base/core/network.h"

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

}  // namespace sekisho::core
