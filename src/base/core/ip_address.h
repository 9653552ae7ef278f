#pragma once
// An IPv4 or IPv6 address as 128 bits in network order; IPv4 is held mapped (::ffff:a.b.c.d) and shown dotted.
// A mapped IPv6 address is the IPv4 address it stands for (RFC 7208 section 5: "IPv4-mapped" is judged as IPv4).
#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sekisho::core {

class IpAddress {
 public:
  constexpr IpAddress() = default;  // ::
  static IpAddress v4(std::uint32_t host_order);
  static IpAddress v6(const std::array<std::uint8_t, 16>& octets) { return IpAddress(octets); }
  // Dotted quad (four decimal numbers, no leading zeros) or RFC 4291 text; no zone ids, no prefix, no brackets.
  static std::optional<IpAddress> parse(std::string_view text);

  bool is_v4() const;
  std::uint32_t v4_bits() const;  // only when is_v4()
  const std::array<std::uint8_t, 16>& octets() const { return octets_; }
  std::string text() const;
  // Compares the first `bits` of the address of its own family (0..32 or 0..128). Different families never match.
  bool in_prefix(const IpAddress& network, unsigned bits) const;
  IpAddress masked(unsigned bits) const;  // the network address of its own family
  bool is_loopback() const;

  auto operator<=>(const IpAddress&) const = default;

 private:
  explicit constexpr IpAddress(const std::array<std::uint8_t, 16>& octets) : octets_(octets) {}
  std::array<std::uint8_t, 16> octets_{};
};

}  // namespace sekisho::core
