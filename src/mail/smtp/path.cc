#include "mail/smtp/path.h"

#include <algorithm>

#include "base/core/text.h"
#include "mail/address/utf8.h"

namespace sekisho::smtp {
namespace {
constexpr std::size_t kMaxPath = 256;

bool is_beyond_ascii(char c) { return static_cast<unsigned char>(c) > 127; }
// What parse_path() lets in: UTF-8 stands for letters (RFC 6531 section 3.3).
bool is_printable(char c) { return (c >= ' ' && c <= '~') || is_beyond_ascii(c); }
bool is_special(char c) { return std::string_view("()<>[]:;,\\\"@").find(c) != std::string_view::npos; }

// The size of "<...>" at the front, minding quoted strings (a '>' inside quotes ends nothing); 0 when it does not
// close.
std::size_t bracketed_size(std::string_view text) {
  bool quoted = false;
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (quoted && text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      quoted = !quoted;
    } else if (text[i] == '>' && !quoted) {
      return i + 1;
    }
  }
  return 0;
}

// RFC 5321 section 4.1.2: qtextSMTP is SP..~ without '"' and '\'; quoted-pairSMTP is '\' and SP..~.
std::size_t quoted_size(std::string_view text) {
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (!is_printable(text[i])) return 0;
    if (text[i] == '"') return i + 1;
    if (text[i] == '\\' && (++i >= text.size() || !is_printable(text[i]))) return 0;
  }
  return 0;
}

// The local part at the front: one quoted string, or atoms with dots anywhere.
std::size_t local_size(std::string_view text) {
  if (!text.empty() && text[0] == '"') return quoted_size(text);
  std::size_t i = 0;
  while (i < text.size() && is_printable(text[i]) && text[i] != ' ' && !is_special(text[i])) ++i;
  return i;
}

// A-d-l = "@" Domain *( "," "@" Domain ) ":" is checked, then forgotten.
bool strip_route(std::string_view& text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return false;
  std::string_view route = text.substr(0, colon);
  while (true) {
    const std::size_t comma = route.find(',');
    const std::string_view hop = route.substr(0, comma);
    if (hop.size() < 2 || hop[0] != '@' || !mail::Domain::parse(hop.substr(1))) return false;
    if (comma == std::string_view::npos) break;
    route.remove_prefix(comma + 1);
  }
  text.remove_prefix(colon + 1);
  return true;
}

std::optional<core::IpAddress> parse_literal(std::string_view inner) {
  // RFC 5321 section 4.1.3: IPv4 is bare, IPv6 carries its tag.
  if (core::istarts_with(inner, "IPv6:")) {
    const auto ip = core::IpAddress::parse(inner.substr(5));
    return ip && inner.substr(5).find(':') != std::string_view::npos ? ip : std::nullopt;
  }
  const auto ip = core::IpAddress::parse(inner);
  return ip && ip->is_v4() && inner.find(':') == std::string_view::npos ? ip : std::nullopt;
}

core::Result<Path, PathError> parse_mailbox(std::string_view text, Path path) {
  const std::size_t local = local_size(text);
  if (local == 0) return core::error(PathError::kLocalPart);
  const std::string_view rest = text.substr(local);
  if (rest.empty()) {
    // RFC 5321 section 4.1.1.3: RCPT TO:<Postmaster>, in any letter case, needs no domain.
    if (!core::iequals(text, "postmaster")) return core::error(PathError::kNoDomain);
    path.kind = Path::Kind::kPostmaster;
    return path;
  }
  if (rest[0] != '@') return core::error(PathError::kSyntax);
  const std::string_view domain = rest.substr(1);
  if (!domain.empty() && domain[0] == '[') {
    if (domain.back() != ']' || domain.size() < 3) return core::error(PathError::kLiteral);
    path.literal = parse_literal(domain.substr(1, domain.size() - 2));
    if (!path.literal) return core::error(PathError::kLiteral);
    path.kind = Path::Kind::kLiteral;
    return path;
  }
  auto parsed = mail::Domain::parse(domain);
  if (!parsed) return core::error(PathError::kDomain);
  path.kind = Path::Kind::kMailbox;
  path.address = mail::Address::make(std::string(text.substr(0, local)), std::move(*parsed));
  return path;
}
}  // namespace

std::string_view Path::local() const {
  if (kind == Kind::kMailbox) return address->local();
  const std::size_t at = kind == Kind::kLiteral ? text.rfind('@') : std::string::npos;
  return std::string_view(text).substr(0, at);
}

core::Result<Path, PathError> parse_path(std::string_view& text, bool utf8) {
  if (text.empty() || text[0] != '<') return core::error(PathError::kBrackets);
  const std::size_t size = bracketed_size(text);
  if (size == 0) return core::error(PathError::kBrackets);
  if (size > kMaxPath) return core::error(PathError::kTooLong);
  std::string_view inner = text.substr(1, size - 2);
  for (const char c : inner) {
    if (is_beyond_ascii(c) && !utf8) return core::error(PathError::kNonAscii);
    if (!is_printable(c)) return core::error(PathError::kSyntax);
  }
  if (!mail::is_utf8(inner)) return core::error(PathError::kSyntax);
  text.remove_prefix(size);
  Path path;
  path.non_ascii = std::any_of(inner.begin(), inner.end(), is_beyond_ascii);
  if (inner.empty()) return path;
  if (inner[0] == '@') {
    if (!strip_route(inner)) return core::error(PathError::kSyntax);
    path.source_route = true;
  }
  path.text = inner;
  return parse_mailbox(inner, std::move(path));
}

}  // namespace sekisho::smtp
