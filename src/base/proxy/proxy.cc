#include "base/proxy/proxy.h"

#include <algorithm>
#include <array>

#include "base/core/text.h"

namespace sekisho::proxy {
namespace {

// Section 2.2: chosen so that no protocol's server takes it for a request.
constexpr std::string_view kSignature("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr std::string_view kWord = "PROXY ";
constexpr std::size_t kShortest = 15;     // "PROXY UNKNOWN\r\n"; version 2 has 16 at least
constexpr std::size_t kV2Fixed = 16;      // signature, version and command, family, length
constexpr std::size_t kV1Longest = 107;   // section 2.1, with CRLF
constexpr std::size_t kMostAddress = 36;  // two IPv6 addresses and ports; the paths of Unix sockets tell us nothing

std::uint8_t octet(std::string_view text, std::size_t at) { return static_cast<std::uint8_t>(text[at]); }
std::uint16_t u16(std::string_view text, std::size_t at) {
  return static_cast<std::uint16_t>(octet(text, at) << 8 | octet(text, at + 1));
}
core::IpAddress v4(std::string_view text, std::size_t at) {
  return core::IpAddress::v4(std::uint32_t{u16(text, at)} << 16 | u16(text, at + 2));
}
core::IpAddress v6(std::string_view text, std::size_t at) {
  std::array<std::uint8_t, 16> octets;
  for (std::size_t i = 0; i < octets.size(); ++i) octets[i] = octet(text, at + i);
  return core::IpAddress::v6(octets);
}

std::optional<std::string_view> next_word(std::string_view& line) {
  const std::size_t end = std::min(line.find(' '), line.size());
  const std::string_view out = line.substr(0, end);
  line.remove_prefix(std::min(end + 1, line.size()));
  return out.empty() ? std::nullopt : std::optional(out);
}
std::optional<core::IpAddress> address(std::string_view& line, bool six) {
  const auto text = next_word(line);
  // Section 2.1: the form is that of the family named, an IPv6 address has colons.
  if (!text || (text->find(':') != std::string_view::npos) != six) return {};
  return core::IpAddress::parse(*text);
}
std::optional<std::uint16_t> port(std::string_view& line) {
  const auto text = next_word(line);
  if (!text || (text->size() > 1 && text->front() == '0')) return {};
  const auto number = core::parse_uint(*text, 65535);
  return number ? std::optional(static_cast<std::uint16_t>(*number)) : std::nullopt;
}

}  // namespace

std::string_view word(Fault fault) {
  switch (fault) {
    case Fault::kNone:
      return "";
    case Fault::kNotProxy:
      return "no PROXY header";
    case Fault::kVersion:
      return "unknown version or command";
    case Fault::kFamily:
      return "no TCP client is named";
    case Fault::kLength:
      return "wrong length";
    case Fault::kSyntax:
      return "malformed version 1 line";
  }
  return "";
}

std::size_t Reader::needs() const {
  if (done_) return 0;
  if (sized_) return unread_;
  if (octets_.size() < kShortest) return kShortest - octets_.size();
  return octets_[0] == kSignature[0] ? kV2Fixed - octets_.size() : 1;
}

void Reader::feed(std::string_view octets) {
  octets = octets.substr(0, needs());
  if (octets.empty()) return;
  if (!sized_) {
    octets_ += octets;
    return look();
  }
  // Behind the addresses stand TLVs (section 2.2.7), which nobody here asks for.
  const std::size_t kept = std::min(octets.size(), kV2Fixed + kMostAddress - octets_.size());
  octets_ += octets.substr(0, kept);
  unread_ -= static_cast<std::uint32_t>(octets.size());
  if (unread_ == 0) take_v2();
}

void Reader::look() {
  const std::size_t known = octets_.size();
  const bool two = octets_[0] == kSignature[0];
  const std::string_view wanted = (two ? kSignature : kWord).substr(0, known);
  if (!octets_.starts_with(wanted)) return end(Fault::kNotProxy);
  if (two) return look_v2();
  if (known >= 2 && octets_.ends_with("\r\n")) return take_v1();
  // A CR that ends nothing, an LF alone: nobody knows where such a line stops.
  if (octets_.back() == '\n' || octets_.find_first_of("\r\n") < known - 1) return end(Fault::kSyntax);
  if (known >= kV1Longest) end(Fault::kLength);
}

void Reader::look_v2() {
  if (octets_.size() < kV2Fixed) return;
  sized_ = true;
  unread_ = u16(octets_, 14);
  const std::uint8_t command = octet(octets_, 12);
  if (command != 0x20 && command != 0x21) return end(Fault::kVersion);
  if (unread_ == 0) take_v2();
}

void Reader::take_v2() {
  done_ = true;
  const std::uint8_t family = octet(octets_, 13);
  // LOCAL: "the receiver must accept this connection as valid and must use the real connection endpoints".
  if (octet(octets_, 12) == 0x20) return;
  const std::string_view block = std::string_view(octets_).substr(kV2Fixed);
  if (family == 0x11 && block.size() >= 12) {
    header_ = {true, v4(block, 0), v4(block, 4), u16(block, 8), u16(block, 10)};
  } else if (family == 0x21 && block.size() >= 36) {
    header_ = {true, v6(block, 0), v6(block, 16), u16(block, 32), u16(block, 34)};
  } else if (family == 0x31) {
    // The proxy's client came by a Unix socket, so it is the proxy's own machine.
  } else {
    end(family == 0x11 || family == 0x21 ? Fault::kLength : Fault::kFamily);
  }
}

void Reader::take_v1() {
  done_ = true;
  std::string_view line = std::string_view(octets_).substr(kWord.size());
  line.remove_suffix(2);
  const auto family = next_word(line);
  // Section 2.1: behind UNKNOWN everything is ignored and the real endpoints count.
  if (family == "UNKNOWN") return;
  if (family != "TCP4" && family != "TCP6") return end(Fault::kSyntax);
  const bool six = family == "TCP6";
  const auto client = address(line, six), local = address(line, six);
  const auto client_port = port(line), local_port = port(line);
  if (!client || !local || !client_port || !local_port || !line.empty() || octets_[octets_.size() - 3] == ' ')
    return end(Fault::kSyntax);
  header_ = {true, *client, *local, *client_port, *local_port};
}

}  // namespace sekisho::proxy
