#include "base/dns/name.h"

#include "base/core/text.h"

namespace sekisho::dns {
namespace {

constexpr std::size_t kMaxName = 255;  // RFC 1035 section 2.3.4
constexpr std::size_t kMaxLabel = 63;

// Reads what stands behind a backslash (RFC 1035 section 5.1): three decimal digits or one octet taken literally.
// Moves `at` behind it; nothing when it is cut short or over 255.
std::optional<char> unescape(std::string_view text, std::size_t& at) {
  if (at >= text.size()) return std::nullopt;
  if (!core::is_digit(text[at])) return text[at++];
  if (at + 3 > text.size()) return std::nullopt;
  const auto value = core::parse_uint(text.substr(at, 3), 255);
  if (!value) return std::nullopt;
  at += 3;
  return static_cast<char>(*value);
}

void escape(std::string& out, unsigned char c) {
  if (c <= ' ' || c >= 127) {
    out += '\\';
    out += static_cast<char>('0' + c / 100);
    out += static_cast<char>('0' + c / 10 % 10);
    out += static_cast<char>('0' + c % 10);
    return;
  }
  if (c == '.' || c == '\\' || c == '"' || c == ';' || c == '(' || c == ')' || c == '@' || c == '$') out += '\\';
  out += static_cast<char>(c);
}

}  // namespace

std::optional<Name> Name::parse(std::string_view text) {
  Name name;
  if (text == ".") return name;
  std::string& wire = name.octets_;  // holds the length octet of the label being read
  std::size_t length_at = 0;
  for (std::size_t at = 0; at < text.size();) {
    char c = text[at++];
    if (c == '.') {
      const std::size_t label = wire.size() - length_at - 1;
      if (label == 0) return std::nullopt;
      wire[length_at] = static_cast<char>(label);
      length_at = wire.size();
      wire += '\0';
      continue;
    }
    if (c == '\\') {
      const auto plain = unescape(text, at);
      if (!plain) return std::nullopt;
      c = *plain;
    }
    wire += core::lower(c);
    if (wire.size() - length_at - 1 > kMaxLabel || wire.size() > kMaxName) return std::nullopt;
  }
  const std::size_t label = wire.size() - length_at - 1;
  if (label == 0 && length_at == 0) return std::nullopt;  // the empty text names nothing
  if (label > 0) {
    wire[length_at] = static_cast<char>(label);
    wire += '\0';
  }
  if (wire.size() > kMaxName) return std::nullopt;
  return name;
}

std::optional<Name> Name::from_wire(std::string_view octets) {
  if (octets.empty() || octets.size() > kMaxName) return std::nullopt;
  std::size_t at = 0;
  while (octets[at] != '\0') {
    const auto length = static_cast<unsigned char>(octets[at]);
    if (length > kMaxLabel || at + 1 + length >= octets.size()) return std::nullopt;
    at += 1 + length;
  }
  if (at + 1 != octets.size()) return std::nullopt;
  Name name;
  name.octets_ = core::to_lower(octets);  // length octets are at most 63 and so never letters
  return name;
}

bool Name::assign(std::string_view labels) {
  if (!labels.empty() && labels.back() == '.') labels.remove_suffix(1);
  const bool fits = !labels.empty() && labels.size() + 2 <= kMaxName;
  octets_.resize(fits ? labels.size() + 2 : 1);
  octets_.back() = '\0';
  if (!fits) return false;
  std::size_t length_at = 0;
  for (std::size_t at = 0; at <= labels.size(); ++at) {
    if (at < labels.size() && labels[at] != '.') {
      octets_[at + 1] = core::lower(labels[at]);
      continue;
    }
    const std::size_t label = at - length_at;
    if (label == 0 || label > kMaxLabel) return octets_.assign(1, '\0'), false;
    octets_[length_at] = static_cast<char>(label);
    length_at = at + 1;
  }
  return true;
}

std::string Name::text() const {
  if (is_root()) return ".";
  std::string out;
  out.reserve(octets_.size());
  for (std::size_t at = 0; octets_[at] != '\0';) {
    const auto length = static_cast<unsigned char>(octets_[at++]);
    if (!out.empty()) out += '.';
    for (const std::size_t end = at + length; at < end; ++at) escape(out, static_cast<unsigned char>(octets_[at]));
  }
  return out;
}

std::size_t Name::labels() const {
  std::size_t count = 0;
  for (std::size_t at = 0; octets_[at] != '\0'; at += 1 + static_cast<unsigned char>(octets_[at])) ++count;
  return count;
}

Name Name::parent() const {
  if (is_root()) return {};
  Name up;
  up.octets_ = octets_.substr(1 + static_cast<unsigned char>(octets_[0]));
  return up;
}

bool Name::is_at_or_below(const Name& ancestor) const {
  const std::size_t tail = ancestor.octets_.size();
  std::size_t at = 0;
  while (octets_.size() - at > tail) at += 1 + static_cast<unsigned char>(octets_[at]);
  return octets_.size() - at == tail && octets_.compare(at, tail, ancestor.octets_) == 0;
}

}  // namespace sekisho::dns
