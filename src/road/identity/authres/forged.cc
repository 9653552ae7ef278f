// RFC 8601 section 5. A reader may read worse than we do, so a field is taken for a forgery when any of several ways of
// reading finds one of the ids where an authserv-id can stand.
#include <algorithm>
#include <optional>

#include "base/core/text.h"
#include "mail/address/address.h"
#include "mail/charset/charset.h"
#include "road/identity/authres/authres.h"

namespace sekisho::authres {
namespace {

std::string_view without_final_dots(std::string_view id) {
  while (!id.empty() && id.back() == '.') id.remove_suffix(1);
  return id;
}

bool is_id_char(char c) {
  return core::is_alnum(c) || c == '.' || c == '-' || c == '_' || static_cast<unsigned char>(c) > 0x7f;
}

// Comments out, nested or not, closed or not; quotes and backslashes inside comments do not matter to a careless
// reader.
std::string without_comments(std::string_view text, bool& unclosed) {
  std::string out;
  unsigned depth = 0;
  bool quotes = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\\' && i + 1 < text.size()) {
      if (depth == 0) out += c, out += text[i + 1];
      ++i;
      continue;
    }
    if (c == '"' && depth == 0) quotes = !quotes;
    if (c == '(' && !quotes) {
      ++depth;
    } else if (c == ')' && depth > 0) {
      --depth;
    } else if (depth == 0) {
      out += c;
    }
  }
  unclosed = depth > 0 || quotes;
  return out;
}

// What quoting and controls hide is taken away: quotes, backslashes, angle brackets, NUL and the like.
std::string bared(std::string_view text, bool joined) {
  std::string out;
  for (char c : text) {
    const auto octet = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\' || c == '<' || c == '>' || c == '\'') continue;
    const bool space = c == ' ' || c == '\t' || c == '\r' || c == '\n';
    if ((octet < 0x20 || octet == 0x7f) && !space) continue;
    if (space && joined) continue;
    out += space ? ' ' : c;
  }
  return out;
}

std::string ascii_only(std::string_view text) {
  std::string out;
  for (char c : text)
    if (static_cast<unsigned char>(c) < 0x80) out += c;
  return out;
}

class Ids {
 public:
  explicit Ids(std::span<const std::string> ids) : ids_(ids) {}

  // One of the ids stands first in a part between semicolons.
  bool lead(std::string_view text) const {
    for (;;) {
      const auto end = text.find(';');
      if (first_is_ours(text.substr(0, end))) return true;
      if (end == std::string_view::npos) return false;
      text.remove_prefix(end + 1);
    }
  }
  bool first_is_ours(std::string_view part) const {
    std::size_t at = 0;
    return next_is_ours(part, at);
  }
  bool anywhere(std::string_view text) const {
    for (std::size_t at = 0; at < text.size();)
      if (next_is_ours(text, at)) return true;
    return false;
  }

 private:
  bool next_is_ours(std::string_view part, std::size_t& at) const {
    while (at < part.size() && !is_id_char(part[at])) ++at;
    const std::size_t start = at;
    while (at < part.size() && is_id_char(part[at])) ++at;
    return is_ours(part.substr(start, at - start));
  }
  bool is_ours(std::string_view id) const {
    if (id.empty()) return false;
    const auto ascii = ascii_only(id);   // no-break spaces and zero-width marks around the name
    std::optional<mail::Domain> mapped;  // full-width letters and dots
    if (ascii.size() != id.size() && id.size() <= 1000) {
      if (conversions_left_ == 0) return true;  // nobody honest writes so many
      --conversions_left_;
      mapped = mail::Domain::parse(id);
    }
    return std::any_of(ids_.begin(), ids_.end(), [&](const std::string& ours) {
      return same_id(ascii, ours) || (mapped && same_id(mapped->text(), ours));
    });
  }
  std::span<const std::string> ids_;
  mutable unsigned conversions_left_ = 500;  // of one message
};

// What a reader sees that decodes encoded words before it looks for an id; nothing where there are none.
std::string decoded(std::string_view value, core::Budget& budget) {
  constexpr std::size_t kLongest = 4096;
  if (value.find("=?") == std::string_view::npos) return {};
  return mail::decode_words(value.substr(0, kLongest), budget).text;
}

// A name without the octets that some readers do not see (RFC 5322 section 3.6.8 has none of them in a name).
std::string visible(std::string_view name) {
  std::string out;
  for (char c : name.substr(0, 64))
    if (c > 0x20 && c < 0x7f) out += c;
  return out;
}

bool claims_to_be_ours(std::string_view value, const Ids& ids) {
  bool unclosed = false;
  const auto plain = without_comments(value, unclosed);
  // Where a comment or quoted string does not end, nobody knows what a reader makes of it.
  if (unclosed && ids.anywhere(bared(value, false))) return true;
  for (const std::string_view text : {value, std::string_view(plain)})
    for (const bool joined : {false, true})
      if (ids.lead(bared(text, joined))) return true;
  return false;
}

// "pass (our id: ...)" or receiver=our id
bool received_spf_is_ours(std::string_view value, const Ids& ids) {
  bool unclosed = false;
  unsigned comments = 0;
  for (auto open = value.find('('); open != std::string_view::npos && ++comments <= 20;
       open = value.find('(', open + 1)) {
    const auto inside = value.substr(open + 1, 400);
    if (ids.first_is_ours(bared(inside, false)) || ids.first_is_ours(bared(without_comments(inside, unclosed), false)))
      return true;
  }
  const std::string lowered = core::to_lower(bared(without_comments(value, unclosed), true));
  for (auto at = lowered.find("receiver="); at != std::string::npos; at = lowered.find("receiver=", at + 1))
    if (ids.first_is_ours(std::string_view(lowered).substr(at + 9))) return true;
  return false;
}

}  // namespace

bool same_id(std::string_view a, std::string_view b) {
  return core::iequals(without_final_dots(a), without_final_dots(b));
}

std::vector<Forged> forged(std::span<const mail::HeaderField> fields, std::span<const std::string> ids) {
  const Ids ours(ids);
  core::Budget budget;
  std::vector<Forged> out;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const auto& field = fields[i];
    const auto name = visible(field.name);
    if (core::iequals(name, "Authentication-Results")) {
      if (claims_to_be_ours(field.value, ours) || claims_to_be_ours(decoded(field.value, budget), ours))
        out.push_back({i, "claims our authserv-id"});
    } else if (core::iequals(name, "Received-SPF")) {
      if (received_spf_is_ours(field.value, ours)) out.push_back({i, "claims to be written by us"});
    } else if (core::iequals(name, "X-Sekisho") || core::istarts_with(name, "X-Sekisho-")) {
      out.push_back({i, "only we write this field"});
    }
  }
  return out;
}

}  // namespace sekisho::authres
