#pragma once
// A domain name as wire octets without compression: length-prefixed labels and the root label, at most 255 octets,
// ASCII lower-cased (RFC 4343), so equal names have equal octets and the octets are the cache key.
// Any octet may stand in a label; what a name may look like is judged by who made it (mail::Domain is stricter).
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace sekisho::dns {

class Name {
 public:
  Name() : octets_(1, '\0') {}  // the root
  // Master-file text: labels by '.', \. and \DDD escapes, one optional final dot. Nothing when a label is empty or over
  // 63 octets, or the whole is over 255 octets.
  static std::optional<Name> parse(std::string_view text);
  // Wire octets already taken out of a packet (uncompressed, checked by the codec).
  static std::optional<Name> from_wire(std::string_view octets);
  // For hot paths: takes plain labels joined by '.', without escapes, one optional final dot, into the room this Name
  // already has. False, and the root, when a label is empty or over 63 octets, the whole is over 255, or there is none.
  bool assign(std::string_view labels);

  const std::string& wire() const { return octets_; }
  std::string text() const;  // escaped master-file text without the final dot; "." for the root
  std::size_t labels() const;
  bool is_root() const { return octets_.size() == 1; }
  Name parent() const;                              // of the root: the root
  bool is_at_or_below(const Name& ancestor) const;  // by labels, never by text
  auto operator<=>(const Name&) const = default;

 private:
  std::string octets_;
};

}  // namespace sekisho::dns

template <>
struct std::hash<sekisho::dns::Name> {
  std::size_t operator()(const sekisho::dns::Name& n) const { return std::hash<std::string>()(n.wire()); }
};
