#pragma once
// What people see of an address list: names, and addresses in places where none belongs. For author.cc only.
#include <string>
#include <string_view>
#include <vector>

#include "mail/address/mailbox.h"
#include "road/finding/finding.h"

namespace sekisho::author {

// An "x@y" found anywhere in a text, however it is quoted, commented or encoded.
struct SeenAddress {
  std::string text;
  std::string local;
  std::optional<mail::Domain> domain;  // nothing: an '@' with no domain behind it
};

// Encoded words decoded, compatibility characters ("＠") brought to ASCII, invisible ones left out.
std::vector<SeenAddress> seen_addresses(std::string_view text, core::Budget& budget);

// display_name_*: names of mailboxes and groups against the addresses they stand for.
void check_names(const mail::MailboxList& list, core::Budget& budget, road::Findings& findings);
// The names as the eye takes them, for Author::names.
void take_names(const mail::MailboxList& list, core::Budget& budget, std::vector<std::string>& names);
// from_confusable, non_ascii_address. True when the local part shows a false '@'.
bool check_looks(const mail::MailboxList& list, road::Findings& findings);
// Where another "<a@b>" is hidden: in a name of encoded words, which some readers decode before they parse, or in a
// comment, which some do not know. "" when there is none.
std::string_view hidden_address(const mail::MailboxList& list, core::Budget& budget);

}  // namespace sekisho::author
