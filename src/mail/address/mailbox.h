#pragma once
// The address lists of From, Sender, Reply-To ... (RFC 5322 sections 3.4 and 4.4, RFC 6532, RFC 6854). The parser never
// gives up: it takes what a mail reader might take, and it reports every place where readers could take something else.
// Encoded words are not decoded here: mail/charset does that on display_name and comment.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/budget.h"
#include "mail/address/address.h"

namespace sekisho::mail {

enum class Oddity : std::uint8_t {
  kTooComplex,        // the budget is empty: the rest of the list was not looked at
  kNul,               // NUL
  kControl,           // another control character
  kRawIso2022,        // unencoded ISO-2022-JP: its kanji hold octets like '"' and '<', see Escapes
  kUnclosedQuote,     // '"' without its partner; it is then taken as text
  kUnclosedComment,   // '(' without its partner; it is then taken as text
  kUnclosedAngle,     // '<' without '>'
  kUnclosedLiteral,   // '[' without ']'
  kUnclosedGroup,     // "name: a@b" without ';', and ':' in an unquoted display name
  kStrayCloser,       // ')' ']' or '>' without its opener
  kStrayBackslash,    // '\' outside quotes, comments and literals
  kStraySemicolon,    // ';' outside a group: some readers separate addresses by it
  kEmptyElement,      // ",," (RFC 5322 section 4.4 obs-addr-list)
  kTwoAngles,         // "<a@b> <c@d>"; each becomes a mailbox
  kTextAfterAngle,    // "<a@b> text"
  kMissingAngle,      // "name a@b"
  kAtInName,          // an unquoted '@' before '<'
  kTwoAts,            // "a@b@c" outside quotes
  kMissingAddress,    // a display name or word only, or "<>"
  kBadAddress,        // an '@' is there, but it is no address
  kLiteral,           // "a@[192.0.2.1]"
  kCommentInAddress,  // "a(b)@c" and "<a@b(c)>"
  kSpaceInAddress,    // "a @ b", "a. b@c"
  kRoute,             // "<@a,@b:c@d>" (RFC 5322 section 4.4 obs-route)
  kAtInQuotedLocal,   // "\"a@b\"@c": a careless reader stops at the first '@'; also '<' '>' ',' within the quotes
  kQuotedPair,        // a backslash in a quoted local part
  kGroup,             // "name: ... ;"
  kEmptyGroup,        // "name: ;"
  kNonAscii,          // UTF-8 in an address
  kRaw8bit,           // octets over 127 that are not UTF-8
  kCount,
};
std::string_view word(Oddity oddity);  // "two_angles"

class Oddities {
 public:
  void set(Oddity oddity) { bits_ |= bit(oddity); }
  bool has(Oddity oddity) const { return bits_ & bit(oddity); }
  bool none() const { return bits_ == 0; }
  Oddities without(Oddity oddity) const { return Oddities(bits_ & ~bit(oddity)); }
  std::string words() const;  // "two_angles,route"

  Oddities() = default;

 private:
  static std::uint32_t bit(Oddity oddity) { return 1u << static_cast<unsigned>(oddity); }
  explicit Oddities(std::uint32_t bits) : bits_(bits) {}
  std::uint32_t bits_ = 0;
};

struct Mailbox {
  std::string display_name;  // words before '<', one space between them; quotes and quoted-pairs resolved, folds gone
  std::string comment;       // text of the comments beside the address: readers show "a@b (Name)" as a name
  std::string addr_spec;     // local@domain as written, without comments, routes and spaces; "" when there is none
  std::optional<Address> address;  // nothing for a literal, or when addr_spec is not an address
  bool in_group = false;
};

struct MailboxList {
  std::vector<Mailbox> mailboxes;        // in order; one entry per address or per nameless leftover
  std::vector<std::string> group_names;  // as display_name
  Oddities oddities;
};

// What the escapes of unencoded ISO-2022-JP are to the reader: Japanese readers skip over kanji, others see loose
// octets.
enum class Escapes : std::uint8_t { kJapanese, kOctets };

// value: a field's value with its folds. O(n); the budget pays one step per octet, one part per mailbox.
MailboxList parse_mailboxes(std::string_view value, core::Budget& budget, Escapes escapes = Escapes::kJapanese);

}  // namespace sekisho::mail
