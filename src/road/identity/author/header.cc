#include "road/identity/author/header.h"

#include <algorithm>
#include <array>

#include "base/core/text.h"
#include "mail/charset/charset.h"

namespace sekisho::author {
namespace {

using mail::HeaderField;

constexpr std::size_t kLookAlikesMax = 10;
constexpr std::size_t kLongestLook = 64;   // octets of a name or line start that are looked at
constexpr std::size_t kMaxOddNames = 100;  // looked at: each costs microseconds

// What is left of a name when a careless reader drops or does not see some of its octets.
std::string visible(std::string_view text) {
  std::string out;
  for (char c : text.substr(0, kLongestLook)) {
    const auto octet = static_cast<unsigned char>(c);
    if (octet > 0x20 && octet != 0x7f) out.push_back(core::lower(c));
  }
  return out;
}

// RFC 5322 section 3.6.8: names are printable ASCII. One that is not may still look like From.
bool name_looks_like_from(std::string_view name) {
  core::Budget small;
  static const std::string from = mail::skeleton("from");
  const std::string shown = visible(mail::compatible(mail::to_utf8(visible(name), "", small)));
  return shown == "from" || mail::skeleton(shown) == from;
}

bool is_ftext(char c) { return c > 32 && c < 127; }

bool is_odd(std::string_view name) { return !std::all_of(name.begin(), name.end(), is_ftext); }

// Junk lines and folds without a field: "From" CRLF " : a@b", " From: a@b", "Fr om: a@b".
bool line_looks_like_from(std::string_view raw) { return visible(raw).starts_with("from:"); }

// Signatures list field names, "from:" among them, and fold anywhere.
bool lists_names(std::string_view name) {
  const std::string low = core::to_lower(name.substr(0, kLongestLook));
  return low.find("signature") != std::string::npos || low.starts_with("arc-");
}

struct Folds {
  bool blank = false;      // one of only white space (RFC 5322 section 4.2 obs-FWS)
  bool like_from = false;  // one that reads "From: ..."
};

// Cheap first look: most folds begin with something else.
bool may_be_from(std::string_view line) {
  const auto first = line.find_first_not_of(" \t");
  return first != std::string_view::npos && (core::lower(line[first]) == 'f' || !is_ftext(line[first]));
}

Folds folds_of(const HeaderField& field) {
  Folds folds;
  for (auto start = field.raw.find("\r\n"); start != std::string_view::npos;) {
    start += 2;
    const auto end = field.raw.find("\r\n", start);
    const std::string_view line = field.raw.substr(start, end == std::string_view::npos ? end : end - start);
    if (!line.empty() && core::trim(line).empty()) folds.blank = true;
    if (may_be_from(line) && line_looks_like_from(line) && !lists_names(field.name)) folds.like_from = true;
    start = end;
  }
  return folds;
}

void add_word(std::string& words, std::string_view word) {
  if (!words.empty()) words.push_back(',');
  words.append(word);
}

struct FoldFacts {
  bool blank_before_from = false, blank = false, like_from = false;
};

FoldFacts fold_facts(const mail::Message& message, const FromFields& from) {
  FoldFacts facts;
  for (const HeaderField& field : message.fields()) {
    const Folds folds = folds_of(field);
    const bool is_from = core::iequals(field.name, "From");
    facts.blank = facts.blank || folds.blank;
    facts.like_from = facts.like_from || (folds.like_from && !is_from && !field.name.empty());
    // A reader that ends the header at a blank fold does not see what follows it.
    if (folds.blank && (is_from || from.from.empty() || &field < from.from.back())) facts.blank_before_from = true;
  }
  return facts;
}

void check_duplicates(const mail::Message& message, road::Findings& findings) {
  // RFC 5322 section 3.6: these occur at most once.
  static constexpr std::array<std::string_view, 8> kOnce = {"Date", "Sender",     "Reply-To", "To",
                                                            "Cc",   "Message-ID", "Subject",  "In-Reply-To"};
  std::string twice;
  for (const std::string_view name : kOnce) {
    if (message.all(name).size() > 1) add_word(twice, name);
  }
  if (!twice.empty()) findings.push_back(finding("header_duplicate", twice));
}

}  // namespace

road::Finding finding(std::string_view code, std::string_view evidence) {
  return {"author", code, road::AuthResult::kNone, core::printable(evidence, 120)};
}

FromFields find_from(const mail::Message& message) {
  FromFields out;
  std::size_t odd_names = 0;
  for (const HeaderField& field : message.fields()) {
    bool like = false;
    if (core::iequals(field.name, "From")) {
      out.from.push_back(&field);
      out.spaced = out.spaced || field.space_before_colon;
    } else if (field.name.empty()) {
      like = line_looks_like_from(field.raw);
    } else if (is_odd(field.name)) {
      if (++odd_names > kMaxOddNames) out.odd_names_unread = true;
      like = odd_names <= kMaxOddNames && name_looks_like_from(field.name);
    }
    if (like) {
      if (out.look_alikes.size() < kLookAlikesMax) out.look_alikes.push_back(&field);
    }
  }
  return out;
}

void check_header(const mail::Message& message, const FromFields& from, road::Findings& findings) {
  const mail::HeaderShape& shape = message.shape();
  const FoldFacts folds = fold_facts(message, from);
  std::string malformed;
  if (shape.junk_line) add_word(malformed, "junk_line");
  if (shape.starts_with_fold) add_word(malformed, "starts_with_fold");
  if (shape.nul) add_word(malformed, "nul");
  if (shape.empty_name) add_word(malformed, "empty_name");
  if (shape.odd_name) add_word(malformed, "odd_name");
  if (folds.blank_before_from) add_word(malformed, "blank_fold");
  if (from.spaced) add_word(malformed, "space_before_colon");
  if (!malformed.empty()) findings.push_back(finding("header_malformed", malformed));
  if (folds.blank && !folds.blank_before_from) findings.push_back(finding("header_untidy", "blank_fold"));
  if (folds.like_from) findings.push_back(finding("from_in_fold", "from"));
  check_duplicates(message, findings);
}

}  // namespace sekisho::author
