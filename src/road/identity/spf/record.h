#pragma once
// A v=spf1 record, read in place, term by term (RFC 7208 sections 4.5, 4.6.1, 12).
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/ip_address.h"
#include "road/identity/spf/spf.h"

namespace sekisho::spf {

enum class Kind : unsigned char { kAll, kInclude, kA, kMx, kPtr, kIp4, kIp6, kExists, kRedirect, kExp, kOtherModifier };

struct Term {
  Kind kind = Kind::kAll;
  char qualifier = '+';
  std::uint8_t prefix4 = 32, prefix6 = 128;
  std::string_view text;         // as it stands in the record, qualifier included
  std::string_view domain_spec;  // empty: the current domain
  core::IpAddress network;       // ip4, ip6
};

class Terms {
 public:
  // What follows "v=spf1". Views into it live as long as it does.
  explicit Terms(std::string_view text) : text_(text) {}
  enum class Step : unsigned char { kTerm, kEnd, kSyntax };
  // After kSyntax, term.text is what cannot be read; there is nothing behind it.
  Step next(Term& term);

 private:
  std::string_view text_;
  std::size_t at_ = 0;
};

// True for "v=spf1" alone or followed by a space, in any letter case (section 4.5).
bool is_record(std::string_view text);
inline constexpr std::size_t kVersionSize = 6;

struct Selection {
  std::size_t count = 0;
  std::string_view record, terms;  // the first one: whole, and behind its version
};
// RFC 4406 section 4.4: a record of the wanted Sender ID scope takes precedence over v=spf1; records of other scopes do
// not exist.
Selection select(const std::vector<std::string>& texts, Records records = Records::kSpf1);
// What follows the version section of a Sender ID record ("spf2.0/mfrom,pra") that has the scope; a null view
// otherwise.
std::string_view after_scope(std::string_view text, std::string_view scope);

struct Scan {
  bool ok = true;
  bool redirects = false, explains = false;
  std::string_view offending;  // the term that cannot be read
  std::string_view redirect, exp;
};
// Section 4.6: errors anywhere in the record are found before any term is evaluated; section 6: exp and redirect at
// most once.
Scan scan(std::string_view terms);

}  // namespace sekisho::spf
