// Which address takes responsibility (RFC 4407 section 2).
#include <algorithm>

#include "base/core/text.h"
#include "mail/address/mailbox.h"
#include "road/identity/sender_id/sender_id.h"

namespace sekisho::sender_id {
namespace {

using mail::HeaderField;
using mail::Oddity;

// Readers are known to find another address in these, or none.
constexpr Oddity kMalformed[] = {
    Oddity::kTooComplex,     Oddity::kNul,        Oddity::kUnclosedQuote,  Oddity::kUnclosedComment,
    Oddity::kUnclosedAngle,  Oddity::kGroup,      Oddity::kEmptyGroup,     Oddity::kUnclosedGroup,
    Oddity::kTwoAngles,      Oddity::kTwoAts,     Oddity::kTextAfterAngle, Oddity::kBadAddress,
    Oddity::kMissingAddress, Oddity::kLiteral,    Oddity::kRoute,          Oddity::kUnclosedLiteral,
    Oddity::kStraySemicolon, Oddity::kStrayCloser};

bool is_empty(const HeaderField& field) { return core::trim_fws(field.value).empty(); }
bool named(const HeaderField& field, std::string_view name) { return core::iequals(field.name, name); }

const HeaderField* first(const mail::Message& message, std::string_view name) {
  for (const HeaderField* field : message.all(name))
    if (!is_empty(*field)) return field;
  return nullptr;
}

std::vector<const HeaderField*> non_empty(const mail::Message& message, std::string_view name) {
  auto fields = message.all(name);
  std::erase_if(fields, [](const HeaderField* field) { return is_empty(*field); });
  return fields;
}

// Step 1: a Resent-From above it, with a trace field between the two, belongs to a later resending.
bool belongs_to_older_block(const mail::Message& message, const HeaderField* resent_sender) {
  bool resent_from = false;
  for (const HeaderField& field : message.fields()) {
    if (&field == resent_sender) return false;
    if (named(field, "Resent-From") && !is_empty(field)) resent_from = true;
    if (resent_from && (named(field, "Received") || named(field, "Return-Path"))) return true;
  }
  return false;
}

// Step 5: one mailbox, well formed, in a domain that can be asked.
Pra taken_from(const HeaderField& field, std::string_view header, core::Budget& budget) {
  Pra out;
  out.header = header;
  const mail::MailboxList list = mail::parse_mailboxes(field.value, budget);
  const auto malformed = [&list](Oddity oddity) { return list.oddities.has(oddity); };
  if (list.mailboxes.size() > 1) {
    out.reason = out.header + " names several mailboxes (step 5)";
  } else if (list.mailboxes.size() != 1 || !list.mailboxes.front().address ||
             std::any_of(std::begin(kMalformed), std::end(kMalformed), malformed)) {
    out.reason = out.header + " is malformed (step 5)";
  } else {
    out.address = list.mailboxes.front().address;
    out.reason = "taken from " + out.header;
  }
  return out;
}

// RFC 5321 section 4.1.2: the quotes and backslashes of a quoted string are no part of what it says.
std::string meaning_of(const std::string& local) {
  if (local.size() < 2 || local.front() != '"' || local.back() != '"') return local;
  std::string out;
  for (std::size_t i = 1; i + 1 < local.size(); ++i) {
    if (local[i] == '\\' && i + 2 < local.size()) ++i;
    out += local[i];
  }
  return out;
}

}  // namespace

bool is_same(const mail::Address& submitter, const Pra& pra) {
  return pra.address && submitter.domain() == pra.address->domain() &&
         meaning_of(submitter.local()) == meaning_of(pra.address->local());
}

Pra purported_responsible_address(const mail::Message& message, core::Budget& budget) {
  const HeaderField* resent_sender = first(message, "Resent-Sender");
  if (resent_sender && !belongs_to_older_block(message, resent_sender))
    return taken_from(*resent_sender, "Resent-Sender", budget);  // step 1
  if (const HeaderField* resent_from = first(message, "Resent-From"))
    return taken_from(*resent_from, "Resent-From", budget);  // step 2
  const auto senders = non_empty(message, "Sender");         // step 3
  if (senders.size() == 1) return taken_from(*senders.front(), "Sender", budget);
  if (senders.size() > 1) return {std::nullopt, "Sender", "more than one Sender field (step 3)"};
  const auto froms = non_empty(message, "From");  // step 4
  if (froms.size() == 1) return taken_from(*froms.front(), "From", budget);
  if (froms.empty()) return {std::nullopt, "", "no From field (step 4)"};
  return {std::nullopt, "From", "more than one From field (step 4)"};
}

}  // namespace sekisho::sender_id
