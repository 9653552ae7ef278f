#include "gate/egress/origin.h"

#include <optional>
#include <string>

#include "base/core/text.h"
#include "mail/received/received.h"

namespace sekisho::egress {
namespace {

// Behind a comment in parentheses, which may hold others and quoted pairs.
std::string_view behind_comment(std::string_view text) {
  int depth = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\')
      ++i;
    else if (text[i] == '(')
      ++depth;
    else if (text[i] == ')' && --depth == 0)
      return text.substr(i + 1);
  }
  return {};
}

// One value, quoted or not, from the front of text.
std::string take_value(std::string_view& text) {
  std::string out;
  const bool quoted = text.starts_with('"');
  std::size_t i = quoted ? 1 : 0;
  for (; i < text.size() && text[i] != (quoted ? '"' : ';'); ++i) {
    if (quoted && text[i] == '\\' && i + 1 < text.size()) ++i;
    out += text[i];
  }
  text.remove_prefix(std::min(i + (quoted ? 1 : 0), text.size()));
  return out;
}

// RFC 7208 section 9.1: result, comment, "key=value" by ';'. The comment and the HELO are a stranger's words.
std::optional<std::string> envelope_from(std::string_view value) {
  std::string_view rest = behind_comment(value);
  while (!rest.empty()) {
    rest = core::trim_fws(rest);
    const auto equals = rest.find('=');
    if (equals == rest.npos) return {};
    const auto key = rest.substr(0, equals);
    rest.remove_prefix(equals + 1);
    std::string found = take_value(rest);
    if (core::iequals(key, "envelope-from")) return found;
    if (!rest.empty() && rest.front() == ';') rest.remove_prefix(1);
  }
  return {};
}

}  // namespace

Origin origin_of(const mail::Message& message, std::string_view host, const std::vector<core::Network>& clients) {
  const std::string ours = "by " + core::to_lower(host) + " with ";
  Origin out{nullptr, true};
  bool handed = false;  // by a machine of ours
  for (const auto* field : message.all("Received")) {
    if (handed && core::to_lower(field->value).find(ours) != std::string::npos) {
      out.gate = field;
      return out;
    }
    const auto clause = received::parse(field->value);
    if (clause.kind == received::Kind::kLocal) continue;
    if (clause.kind == received::Kind::kFrom && !core::in_any(clients, clause.ip)) break;
    out.certain = out.certain && clause.kind == received::Kind::kFrom;
    handed = true;
  }
  return {};
}

std::vector<const mail::HeaderField*> above_gate(const mail::Message& message, const Origin& origin,
                                                 std::string_view name) {
  std::vector<const mail::HeaderField*> out;
  for (const mail::HeaderField& field : message.fields()) {
    if (!origin.gate || &field == origin.gate) break;
    if (core::iequals(field.name, name)) out.push_back(&field);
  }
  return out;
}

bool sent_anew(const mail::Message& message, const Origin& origin, std::string_view mail_from) {
  for (const auto* field : above_gate(message, origin, "Received-SPF"))
    if (const auto heard = envelope_from(field->value)) return !core::iequals(*heard, core::printable(mail_from, 400));
  return false;
}

}  // namespace sekisho::egress
