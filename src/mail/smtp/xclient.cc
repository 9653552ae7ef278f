#include "mail/smtp/xclient.h"

#include <algorithm>
#include <utility>

#include "base/core/text.h"
#include "mail/smtp/parameters.h"
#include "mail/smtp/xtext.h"

namespace sekisho::smtp {
namespace {

constexpr std::string_view kUnavailable = "[UNAVAILABLE]";
constexpr std::string_view kLater = "[TEMPUNAVAIL]";

core::Error<Reply> malformed(std::string_view attribute) {
  return core::error(Reply{501, "5.5.4", {"Bad " + std::string(attribute) + " in XCLIENT"}});
}

// "IPV6:" stands before an IPv6 address; without it one is taken too, an IPv4 address never carries it.
std::optional<core::IpAddress> read(std::string_view text, core::IpAddress*) {
  const bool tagged = core::istarts_with(text, "IPV6:");
  if (tagged) text.remove_prefix(5);
  const bool colons = text.find(':') != std::string_view::npos;
  return tagged && !colons ? std::nullopt : core::IpAddress::parse(text);
}
std::optional<std::uint16_t> read(std::string_view text, std::uint16_t*) {
  const auto number = core::parse_uint(text, 65535);
  return number ? std::optional(static_cast<std::uint16_t>(*number)) : std::nullopt;
}
std::optional<bool> read(std::string_view text, bool*) {
  const bool extended = core::iequals(text, "ESMTP");
  return extended || core::iequals(text, "SMTP") ? std::optional(extended) : std::nullopt;
}
std::optional<std::string> read(std::string_view text, std::string*) {
  const bool good = !text.empty() && text.size() <= 255 && std::all_of(text.begin(), text.end(), core::is_vchar);
  return good ? std::optional(std::string(text)) : std::nullopt;
}

// False: malformed, or there already: then nobody could say which one was meant.
template <class T>
bool set(XclientCommand::Attribute<T>& attribute, std::string_view text, bool known) {
  if (std::exchange(attribute.given, true)) return false;
  if (!known) return true;
  attribute.value = read(text, static_cast<T*>(nullptr));
  return attribute.value.has_value();
}

bool take(std::string_view name, std::string_view text, bool known, XclientCommand& out) {
  if (core::iequals(name, "NAME")) return set(out.name, text, known);
  if (core::iequals(name, "ADDR")) return set(out.address, text, known);
  if (core::iequals(name, "PORT")) return set(out.port, text, known);
  if (core::iequals(name, "PROTO")) return set(out.extended, text, known);
  if (core::iequals(name, "HELO")) return set(out.helo, text, known);
  if (core::iequals(name, "DESTADDR")) return set(out.local_address, text, known);
  return set(out.local_port, text, known);
}

bool is_offered(std::string_view name) {
  std::string_view rest = kXclientAttributes;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(' '), rest.size());
    if (core::iequals(rest.substr(0, end), name)) return true;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return false;
}

}  // namespace

core::Result<XclientCommand, Reply> parse_xclient(std::string_view argument) {
  XclientCommand out;
  std::string_view rest = core::trim(argument);
  if (rest.empty()) return core::error(Reply{501, "5.5.4", {"Syntax: XCLIENT NAME=VALUE ..."}});
  while (!rest.empty()) {
    const std::string_view word = take_word(rest);
    const std::size_t equals = word.find('=');
    if (equals == std::string_view::npos || !is_offered(word.substr(0, equals))) return malformed("attribute");
    const std::string_view name = word.substr(0, equals), raw = word.substr(equals + 1);
    // The words are looked for before decoding, so that no client's own text can say them.
    const bool known = !core::iequals(raw, kUnavailable) && !core::iequals(raw, kLater);
    const auto text = known ? decode_xtext(raw) : std::string();
    if (!text || !take(name, *text, known, out)) return malformed(core::printable(name, 10));
  }
  return out;
}

}  // namespace sekisho::smtp
