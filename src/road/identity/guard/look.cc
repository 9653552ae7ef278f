// Looking like: what the eye takes for a protected name.
#include <algorithm>

#include "base/core/text.h"
#include "mail/charset/charset.h"
#include "road/identity/guard/guard.h"

namespace sekisho::guard {
namespace {

constexpr std::size_t kMaxLabels = 16;        // looked at from the front, where people read
constexpr std::size_t kShortestOwner = 4;     // shorter labels look like too much
constexpr std::size_t kMaxNamesInText = 32;   // domain-like words of one text that are looked at
constexpr std::size_t kLongestDomain = 1024;  // octets of UTF-8 that can still be a domain

std::vector<std::string_view> split(std::string_view text, std::string_view separators) {
  std::vector<std::string_view> out;
  for (std::size_t start = 0; start <= text.size() && out.size() < kMaxLabels;) {
    const auto end = std::min(text.find_first_of(separators, start), text.size());
    out.push_back(text.substr(start, end - start));
    start = end + 1;
  }
  return out;
}

std::string with_hyphens(std::string text) {
  std::replace(text.begin(), text.end(), '.', '-');
  return text;
}

bool word_char(char c) { return core::is_alnum(c); }

// "au" does not stand in "Laura"; scripts without spaces have no such edges.
bool stands_in(const std::string& text, const std::string& name) {
  for (auto at = text.find(name); at != std::string::npos; at = text.find(name, at + 1)) {
    const auto end = at + name.size();
    const bool before = at > 0 && word_char(text[at - 1]) && word_char(name.front());
    const bool after = end < text.size() && word_char(text[end]) && word_char(name.back());
    if (!before && !after) return true;
  }
  return false;
}

bool in_domain(char c, bool ascii) {
  return core::is_alnum(c) || c == '.' || c == '-' || c == '_' || (!ascii && static_cast<unsigned char>(c) > 127);
}

// IDNA's other full stops; NFKC has made the half-width one of them.
std::string with_ascii_dots(std::string text) {
  static constexpr std::string_view kIdeographic = "\xe3\x80\x82";
  for (auto at = text.find(kIdeographic); at != std::string::npos; at = text.find(kIdeographic, at))
    text.replace(at, kIdeographic.size(), ".");
  return text;
}

}  // namespace

std::string look(std::string_view utf8) {
  std::string out = core::to_lower(mail::skeleton(core::to_lower(mail::compatible(utf8))));
  // Case folded after the skeleton: "0" has become "O", which is "o" to the eye. A second "l" for "i" would be too
  // much.
  return out;
}

void List::learn(std::size_t row, const dmarc::PublicSuffixList* psl) {
  const Protected& domain = domains_[row];
  const std::string whole = look(domain.name.unicode());
  names_.emplace(domain.name.text(), row);
  looks_.emplace(whole, row);
  if (domain.name.labels() > 1) looks_.emplace(with_hyphens(whole), row);
  const auto organization = psl ? psl->organizational_domain(domain.name) : std::nullopt;
  const std::string owner = (organization ? *organization : domain.name).unicode();
  const std::string label = owner.substr(0, owner.find('.'));
  const std::string label_look = look(label);
  if (label_look.size() >= kShortestOwner) owners_.emplace(label_look, Owner{label, row});
  for (const auto& name : domain.display_names)
    if (std::string name_look = look(name); !name_look.empty()) display_names_.push_back({std::move(name_look), row});
}

List::List(std::vector<Protected> domains, std::vector<Forwarder> forwarders, const dmarc::PublicSuffixList* psl)
    : domains_(std::move(domains)), forwarders_(std::move(forwarders)) {
  for (std::size_t i = 0; i < domains_.size(); ++i) learn(i, psl);
}

const Protected* List::covering(const mail::Domain& domain) const {
  for (std::optional<mail::Domain> name = domain; name; name = name->parent()) {
    const auto found = names_.find(name->text());
    if (found != names_.end() && (*name == domain || domains_[found->second].subdomains))
      return &domains_[found->second];
  }
  return nullptr;
}

// Any run of labels, or of words between hyphens, that reads like a protected name: at the end (the look-alike itself
// and what lies below it), and "docomo.ne.jp.evil.example", "docomo-ne-jp.example".
const Protected* List::imitated_run(const std::string& look_of_all) const {
  struct Way {
    std::string_view separators;
    char joint;
  };
  for (const Way way : {Way{".", '.'}, Way{".-", '-'}}) {
    const auto parts = split(look_of_all, way.separators);
    for (std::size_t first = 0; first < parts.size(); ++first) {
      std::string run;
      for (std::size_t last = first; last < parts.size(); ++last) {
        if (last > first) run += way.joint;
        run += parts[last];
        if (const auto found = looks_.find(run); found != looks_.end()) return &domains_[found->second];
      }
    }
  }
  return nullptr;
}

const Protected* List::imitated(const mail::Domain& domain) const {
  if (domains_.empty() || covering(domain)) return nullptr;
  const std::string text = domain.unicode();
  const std::string whole = look(text);
  if (const Protected* row = imitated_run(whole)) {
    // Of a row that does not cover what lies below, a name below is no imitation.
    return domain.is_at_or_below(row->name) ? nullptr : row;
  }
  for (auto dot = whole.find('.'); dot != std::string::npos; dot = whole.find('.', dot + 1))
    if (const auto found = looks_.find(whole.substr(dot + 1)); found != looks_.end()) return &domains_[found->second];
  for (const auto label : split(text, ".")) {
    const auto found = owners_.find(look(label));
    if (found != owners_.end() && label != found->second.label) return &domains_[found->second.row];
  }
  return nullptr;
}

const Protected* List::domain_in(std::string_view text, bool ascii, std::string& shown) const {
  std::size_t seen = 0;
  for (std::size_t i = 0; i < text.size() && seen < kMaxNamesInText;) {
    std::size_t end = i;
    while (end < text.size() && in_domain(text[end], ascii)) ++end;
    std::string_view name = text.substr(i, end - i);
    i = end + 1;
    while (!name.empty() && (name.front() == '.' || name.front() == '-')) name.remove_prefix(1);
    while (!name.empty() && (name.back() == '.' || name.back() == '-')) name.remove_suffix(1);
    if (name.find('.') == std::string_view::npos || name.size() > kLongestDomain) continue;
    const auto domain = mail::Domain::parse(name);
    if (!domain) continue;
    ++seen;
    const Protected* row = covering(*domain);
    if (!row) row = imitated(*domain);
    if (!row) continue;
    shown = domain->text();
    return row;
  }
  return nullptr;
}

const Protected* List::shown_in(const std::string& text, std::string& shown) const {
  if (domains_.empty()) return nullptr;
  const std::string plain = with_ascii_dots(text);
  // Twice: Japanese text stands before and behind a name without a space.
  for (const bool ascii : {true, false})
    if (const Protected* row = domain_in(plain, ascii, shown)) return row;
  if (display_names_.empty()) return nullptr;
  const std::string text_look = look(text);
  for (const auto& name : display_names_) {
    if (!stands_in(text_look, name.look)) continue;
    shown = domains_[name.row].name.text();
    return &domains_[name.row];
  }
  return nullptr;
}

}  // namespace sekisho::guard
