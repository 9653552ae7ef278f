#include "road/identity/author/display.h"

#include <algorithm>
#include <span>

#include "base/core/text.h"
#include "mail/address/utf8.h"
#include "mail/charset/charset.h"
#include "road/identity/author/author.h"
#include "road/identity/author/header.h"

namespace sekisho::author {
namespace {

constexpr std::size_t kLongestName = 1024;          // octets of a display name that are looked at
constexpr std::size_t kMaxMailboxes = 100;          // looked at; more are no author but from_multiple_addresses
constexpr std::size_t kNamesTogether = 16384;       // octets of the names of one field that are looked at
constexpr std::size_t kMaxSeen = kLongestName / 2;  // more cannot stand in a name
constexpr std::string_view kBreaks = " \t\r\n\"'`<>()[]{},;:|\\/?!*";

std::span<const mail::Mailbox> looked_at(const mail::MailboxList& list) {
  return std::span(list.mailboxes).first(std::min(list.mailboxes.size(), kMaxMailboxes));
}

bool breaks(char c) {
  return static_cast<unsigned char>(c) < 0x21 || c == 0x7f || kBreaks.find(c) != std::string_view::npos;
}

// Octets that can stand in a domain as people read it.
bool in_domain(char c) {
  return core::is_alnum(c) || c == '.' || c == '-' || c == '_' || static_cast<unsigned char>(c) > 127;
}

SeenAddress seen_at(std::string_view text, std::size_t at, std::size_t from) {
  std::size_t start = at, end = at + 1;
  while (start > from && !breaks(text[start - 1]) && text[start - 1] != '@') --start;
  while (end < text.size() && in_domain(text[end])) ++end;
  std::string_view domain = text.substr(at + 1, end - at - 1);
  while (!domain.empty() && (domain.back() == '.' || domain.back() == '-')) domain.remove_suffix(1);
  SeenAddress seen;
  seen.text = text.substr(start, at + 1 + domain.size() - start);
  seen.local = text.substr(start, at - start);
  seen.domain = mail::Domain::parse(domain);
  return seen;
}

std::vector<SeenAddress> scan(std::string_view text) {
  std::vector<SeenAddress> out;
  std::size_t from = 0;
  for (auto at = text.find('@'); at != std::string_view::npos && out.size() < kMaxSeen; at = text.find('@', at + 1)) {
    out.push_back(seen_at(text, at, from));
    from = at + 1;
  }
  return out;
}

bool same(const SeenAddress& seen, const mail::Mailbox& box) {
  return box.address && seen.domain == box.address->domain() && core::iequals(seen.local, box.address->local());
}

// "@john" and "Sales @ Company" are no addresses; "a@b.example" is.
bool is_address(const SeenAddress& seen) { return !seen.local.empty() && seen.domain && seen.domain->labels() > 1; }

// A word of letters from several scripts that looks like plain ASCII: "Bаnk" with a Cyrillic letter.
bool has_mixed_word(std::string_view text) {
  for (std::size_t start = 0; start < text.size();) {
    const auto end = std::min(text.find(' ', start), text.size());
    const std::string_view word = text.substr(start, end - start);
    if (mail::mixes_scripts(word) && mail::looks_ascii(word)) return true;
    start = end + 1;
  }
  return false;
}

class Names {
 public:
  Names(core::Budget& budget, road::Findings& findings) : budget_(budget), findings_(findings) {}

  void check(std::string_view name, const mail::Mailbox* box) {
    if (name.empty()) return;
    const std::size_t cost = std::min(name.size(), kLongestName);
    if (cost > left_) return once("display_name_long", "together");
    left_ -= cost;
    if (name.size() > kLongestName) once("display_name_long", std::to_string(name.size()));
    const auto decoded = mail::decode_words(name.substr(0, kLongestName), budget_);
    const bool guessed = decoded.raw_8bit && !mail::is_utf8(name);  // its characters are not known
    if (guessed) once("display_name_undecodable", "raw_8bit");
    const auto facts = guessed ? mail::TextFacts{} : mail::text_facts(decoded.text);
    if (facts.control) once("display_name_control", "control");
    if (facts.bidi) once("display_name_control", "bidi");
    if (facts.invisible) once("display_name_control", "invisible");
    if (decoded.malformed || facts.replacement) once("display_name_undecodable", "encoded_word");
    if (!guessed && has_mixed_word(decoded.text)) once("from_confusable", "display_name");
    for (const SeenAddress& seen : scan(mail::compatible(decoded.text))) {
      if (is_address(seen) && !(box && same(seen, *box))) once("display_name_address_mismatch", seen.text);
    }
  }

 private:
  void once(std::string_view code, std::string_view evidence) {
    const auto had = std::any_of(findings_.begin(), findings_.end(), [code](const auto& f) { return f.code == code; });
    if (!had) findings_.push_back(finding(code, evidence));
  }
  core::Budget& budget_;
  road::Findings& findings_;
  std::size_t left_ = kNamesTogether;
};

bool has_8bit(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) > 127; });
}

// UTS 39: labels that are not ASCII but look it, or that mix scripts no language mixes.
bool domain_misleads(const mail::Domain& domain) {
  const std::string shown = domain.unicode();
  for (std::size_t start = 0; start <= shown.size();) {
    const auto dot = std::min(shown.find('.', start), shown.size());
    const std::string_view label = std::string_view(shown).substr(start, dot - start);
    if (has_8bit(label) && (mail::looks_ascii(label) || mail::mixes_scripts(label))) return true;
    start = dot + 1;
  }
  return false;
}

struct LocalLook {
  bool false_at = false, misleads = false;
};

LocalLook look_of_local(std::string_view addr_spec, const mail::Mailbox& box) {
  const std::string_view local = box.address ? std::string_view(box.address->local()) : addr_spec;
  if (!has_8bit(local)) return {};
  const auto facts = mail::text_facts(local);
  const std::string plain = mail::compatible(local);
  LocalLook look;
  look.false_at = std::count(plain.begin(), plain.end(), '@') > std::count(local.begin(), local.end(), '@');
  look.misleads = look.false_at || facts.bidi || facts.invisible || facts.control || mail::looks_ascii(local);
  return look;
}

// Does the text hold "<a@b>" of somebody else?
bool shows_other_angle(std::string_view text, const mail::Mailbox& box, core::Budget& budget) {
  if (text.empty()) return false;
  const std::string plain = mail::compatible(mail::decode_words(text.substr(0, kLongestName), budget).text);
  if (plain.find('<') == std::string::npos) return false;
  const auto seen = scan(plain);
  return std::any_of(seen.begin(), seen.end(), [&](const SeenAddress& s) { return is_address(s) && !same(s, box); });
}

}  // namespace

std::vector<SeenAddress> seen_addresses(std::string_view text, core::Budget& budget) {
  constexpr std::size_t kLongest = 16384;
  const auto decoded = mail::decode_words(text.substr(0, kLongest), budget);
  auto seen = scan(mail::compatible(decoded.text));
  if (text.size() > kLongest || seen.size() == kMaxSeen) seen.emplace_back();  // anything may stand in what is left
  return seen;
}

void check_names(const mail::MailboxList& list, core::Budget& budget, road::Findings& findings) {
  Names names(budget, findings);
  for (const mail::Mailbox& box : looked_at(list)) {
    names.check(box.display_name, &box);
    names.check(box.comment, &box);
  }
  const std::size_t groups = std::min(list.group_names.size(), kMaxMailboxes);
  for (std::size_t i = 0; i < groups; ++i) names.check(list.group_names[i], nullptr);
}

void take_names(const mail::MailboxList& list, core::Budget& budget, std::vector<std::string>& names) {
  std::size_t left = kMaxNameOctets;
  for (const auto& name : names) left -= std::min(left, name.size());
  const auto take = [&](std::string_view name) {
    if (name.empty() || left == 0 || names.size() >= kMaxAddresses) return;
    std::string shown = mail::compatible(mail::decode_words(name.substr(0, left), budget).text);
    shown.resize(std::min(shown.size(), left));
    left -= std::min(left, std::max(name.size(), shown.size()));
    if (!shown.empty()) names.push_back(std::move(shown));
  };
  for (const mail::Mailbox& box : looked_at(list)) {
    take(box.display_name);
    take(box.comment);
  }
  for (const auto& name : list.group_names) take(name);
}

bool check_looks(const mail::MailboxList& list, road::Findings& findings) {
  bool false_at = false, misleads = false, non_ascii = false;
  std::string shown;
  for (const mail::Mailbox& box : looked_at(list)) {
    const LocalLook look = look_of_local(box.addr_spec, box);
    const bool domain = box.address && domain_misleads(box.address->domain());
    if (look.misleads || domain) shown = box.addr_spec;
    false_at = false_at || look.false_at;
    misleads = misleads || look.misleads || domain;
    if (has_8bit(box.addr_spec)) non_ascii = true;
  }
  if (misleads) findings.push_back(finding("from_confusable", shown));
  if (non_ascii) findings.push_back(finding("non_ascii_address", "8bit"));
  return false_at;
}

std::string_view hidden_address(const mail::MailboxList& list, core::Budget& budget) {
  for (const mail::Mailbox& box : looked_at(list)) {
    const bool encoded = box.display_name.find("=?") != std::string::npos;
    if (encoded && shows_other_angle(box.display_name, box, budget)) return "address_in_encoded_word";
    if (shows_other_angle(box.comment, box, budget)) return "address_in_comment";
  }
  return {};
}

}  // namespace sekisho::author
