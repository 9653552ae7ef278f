#include "service/mediator/dialogue.h"

#include "base/core/text.h"

namespace sekisho::mediator {

namespace {

constexpr std::size_t kLengthDigits = 5;  // of kSocketmapMost

// The names of ours, and those that Sendmail's K lines with libsrs2 and srs-socketmap have.
std::optional<Direction> direction_of(std::string_view map) {
  for (const std::string_view name : {"forward", "srs_forward", "make_srs"})
    if (core::iequals(map, name)) return Direction::kForward;
  for (const std::string_view name : {"reverse", "srs_reverse", "reverse_srs"})
    if (core::iequals(map, name)) return Direction::kReverse;
  return {};
}

// tcp_table(5): octets up to the space, '%' and what is not printable.
std::string percent(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto octet = static_cast<unsigned char>(c);
    if (octet > 0x20 && octet < 0x7f && c != '%') {
      out += c;
      continue;
    }
    out += '%';
    out += kHex[octet >> 4];
    out += kHex[octet & 15];
  }
  return out;
}

std::optional<std::string> unpercent(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const auto octet = i + 2 < text.size() ? core::unhex(text.substr(i + 1, 2)) : std::nullopt;
    if (!octet) return {};
    out += *octet;
    i += 2;
  }
  return out;
}

std::string socketmap_reply(std::string_view request, const Ask& ask) {
  const auto space = request.find(' ');
  const auto direction = direction_of(request.substr(0, space));
  if (!direction) return frame("PERM there is no such map here; there are forward and reverse");
  const Answer found = ask(*direction, space == std::string_view::npos ? "" : request.substr(space + 1));
  return frame(found.address.empty() ? "NOTFOUND " : "OK " + found.address);
}

std::string tcp_reply(std::string_view request, Direction direction, const Ask& ask) {
  const auto space = request.find(' ');
  const std::string_view verb = request.substr(0, space);
  if (core::iequals(verb, "put")) return "500 this%20table%20is%20not%20written\n";
  if (!core::iequals(verb, "get") || space == std::string_view::npos) return "400 get%20KEY%20is%20all%20I%20know\n";
  const auto key = unpercent(request.substr(space + 1));
  if (!key) return "400 a%20%25%20is%20not%20followed%20by%20two%20hex%20digits\n";
  const Answer found = ask(direction, *key);
  if (found.address.empty()) return "500 not%20found\n";
  return "200 " + percent(found.address) + "\n";
}

}  // namespace

std::string frame(std::string_view text) { return std::to_string(text.size()) + ":" + std::string(text) + ","; }

// A length without leading zeros, a colon, that many octets, a comma.
Dialogue::Step Dialogue::netstring(std::string_view& left, const Ask& ask, std::string& out) const {
  std::size_t digits = 0;
  while (digits < left.size() && core::is_digit(left[digits])) ++digits;
  if (digits > 1 && left[0] == '0') return Step::kMalformed;
  if (digits > kLengthDigits) return Step::kTooLarge;
  if (digits == left.size()) return Step::kMore;
  if (digits == 0 || left[digits] != ':') return Step::kMalformed;
  const std::size_t size = *core::parse_uint(left.substr(0, digits));
  if (size > kSocketmapMost) return Step::kTooLarge;
  const std::string_view rest = left.substr(digits + 1);
  if (rest.size() <= size) return Step::kMore;
  if (rest[size] != ',') return Step::kMalformed;
  out += socketmap_reply(rest.substr(0, size), ask);
  left = rest.substr(size + 1);
  return Step::kDone;
}

Dialogue::Step Dialogue::line(std::string_view& left, const Ask& ask, std::string& out) const {
  const auto end = left.find('\n');
  if (end >= kTcpMost) return left.size() >= kTcpMost ? Step::kTooLarge : Step::kMore;
  std::string_view request = left.substr(0, end);
  if (!request.empty() && request.back() == '\r') request.remove_suffix(1);
  if (request.find('\0') != std::string_view::npos) return Step::kMalformed;
  out += tcp_reply(request, protocol_ == Protocol::kTcpForward ? Direction::kForward : Direction::kReverse, ask);
  left.remove_prefix(end + 1);
  return Step::kDone;
}

std::optional<End> Dialogue::feed(std::string_view octets, const Ask& ask, std::string& out) {
  const bool joined = !held_.empty();
  if (joined) held_ += octets;
  std::string_view left = joined ? std::string_view(held_) : octets;
  const bool socketmap = protocol_ == Protocol::kSocketmap;
  while (!left.empty()) {
    const Step step = socketmap ? netstring(left, ask, out) : line(left, ask, out);
    if (step == Step::kDone) continue;
    if (step == Step::kMore) break;
    const bool large = step == Step::kTooLarge;
    if (socketmap)
      out += frame(large ? "PERM a question has at most 16384 octets" : "PERM this is no netstring");
    else
      out += large ? "400 a%20question%20has%20at%20most%204096%20octets\n" : "400 this%20is%20no%20question\n";
    held_ = {};
    return large ? End::kTooLarge : End::kMalformed;
  }
  // Octet by octet a long question would be copied once for each.
  if (joined && left.size() == held_.size()) return {};
  std::string rest(left);
  held_ = std::move(rest);
  return {};
}

}  // namespace sekisho::mediator
