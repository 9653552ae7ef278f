#include "road/identity/author/author.h"

#include <algorithm>
#include <array>

#include "mail/address/mailbox.h"
#include "road/identity/author/display.h"
#include "road/identity/author/header.h"

namespace sekisho::author {
namespace {

using mail::Oddity;

// Readers are known to differ on these whatever else the field holds.
constexpr std::array kAlwaysAmbiguous = {
    Oddity::kTooComplex,       Oddity::kNul,           Oddity::kGroup,      Oddity::kUnclosedGroup,   Oddity::kRoute,
    Oddity::kTwoAts,           Oddity::kTwoAngles,     Oddity::kQuotedPair, Oddity::kAtInQuotedLocal, Oddity::kLiteral,
    Oddity::kCommentInAddress, Oddity::kSpaceInAddress};

// These say nothing about who the author is.
constexpr std::array kHarmless = {Oddity::kNonAscii, Oddity::kRaw8bit, Oddity::kControl, Oddity::kRawIso2022};

bool any_of(const mail::Oddities& oddities, const auto& list) {
  return std::any_of(list.begin(), list.end(), [&](Oddity oddity) { return oddities.has(oddity); });
}

mail::Oddities without_harmless(mail::Oddities oddities) {
  for (const Oddity oddity : kHarmless) oddities = oddities.without(oddity);
  return oddities;
}

// An author is one address. What is longer than this, or comes more often, is made to be costly: it is not read to its
// end, and then nobody is the author.
constexpr std::size_t kLongestValue = 64 * 1024;
constexpr std::size_t kMaxFromFields = 10;

class Judge {
 public:
  Judge(const mail::Message& message, core::Budget& budget, bool with_names)
      : message_(message), budget_(budget), with_names_(with_names) {}

  Author run() {
    const FromFields from = find_from(message_);
    check_header(message_, from, author_.findings);
    for (std::size_t i = 0; i < std::min(from.from.size(), kMaxFromFields); ++i) read(from.from[i]->value);
    if (from.from.size() > kMaxFromFields) too_complex_ = true;  // from_multiple says the rest
    if (from.odd_names_unread) ambiguous("too_many_odd_names"), too_complex_ = true;
    if (from.from.size() > 1) add("from_multiple", std::to_string(from.from.size()));
    if (!from.look_alikes.empty()) ambiguous("look_alike_field");
    for (const mail::HeaderField* field : from.look_alikes) another_domain_shown(field->raw);
    if (from.spaced) ambiguous("space_before_colon");
    if (usable_ == 0) add("from_missing", from.from.empty() ? "no_field" : no_author_);
    if (usable_ > 1) add("from_multiple_addresses", std::to_string(usable_));
    if (!ambiguous_.empty()) add("from_ambiguous", ambiguous_);
    if (ambiguous_.empty() && !untidy_.empty() && usable_ > 0) add("from_untidy", untidy_);
    if (too_complex_) add("too_complex", "");
    settle(from.from.size());
    check_sender();
    return std::move(author_);
  }

 private:
  void add(std::string_view code, std::string_view evidence) { author_.findings.push_back(finding(code, evidence)); }

  void ambiguous(std::string_view why) {
    if (!ambiguous_.empty()) ambiguous_.push_back(',');
    ambiguous_.append(why);
  }

  void read(std::string_view value) {
    if (value.size() > kLongestValue) {
      ambiguous("too_long");
      too_complex_ = true;
      value = value.substr(0, kLongestValue);
    }
    const mail::MailboxList list = mail::parse_mailboxes(value, budget_);
    take_addresses(list);
    const mail::Oddities oddities = without_harmless(list.oddities);
    const bool encoded = encoded_address(list);
    const bool false_at = check_looks(list, author_.findings);
    if (encoded || false_at) another_domain_shown(value);
    if (encoded) ambiguous("encoded_word_in_address");
    if (false_at) ambiguous("false_at");
    if (const auto hidden = hidden_address(list, budget_); !hidden.empty()) ambiguous(hidden);
    check_names(list, budget_, author_.findings);
    if (with_names_) take_names(list, budget_, author_.names);
    if (list.oddities.has(Oddity::kControl)) once_control();
    if (list.oddities.has(Oddity::kRawIso2022) && !same_without_escapes(value, list)) ambiguous("raw_iso_2022_jp");
    if (list.mailboxes.empty()) no_author_ = "empty";
    too_complex_ = too_complex_ || oddities.has(Oddity::kTooComplex);
    if (oddities.none()) return;
    const bool another = another_domain_shown(value);
    if (another || any_of(oddities, kAlwaysAmbiguous)) {
      if (another || usable_ > 0) ambiguous(oddities.words());
    } else {
      untidy_ = oddities.words();
    }
    no_author_ = oddities.words();
  }

  void take_addresses(const mail::MailboxList& list) {
    for (const mail::Mailbox& box : list.mailboxes) {
      if (!box.address) continue;
      ++usable_;
      remember(box.address->domain());
      if (author_.addresses.size() < kMaxAddresses) author_.addresses.push_back(*box.address);
    }
  }

  void remember(const mail::Domain& domain) {
    auto& all = author_.other_domains;
    if (all.size() < kMaxAddresses && std::find(all.begin(), all.end(), domain) == all.end()) all.push_back(domain);
  }

  // RFC 2047 section 5 (1): no encoded word within an addr-spec. A reader that decodes first sees another address.
  static bool encoded_address(const mail::MailboxList& list) {
    return std::any_of(list.mailboxes.begin(), list.mailboxes.end(), [](const mail::Mailbox& box) {
      return box.addr_spec.find("=?") != std::string::npos && box.addr_spec.find("?=") != std::string::npos;
    });
  }

  // Two readers, one that knows ISO-2022-JP and one that does not: they must find the same addresses.
  bool same_without_escapes(std::string_view value, const mail::MailboxList& list) {
    const mail::MailboxList other = mail::parse_mailboxes(value, budget_, mail::Escapes::kOctets);
    return std::equal(list.mailboxes.begin(), list.mailboxes.end(), other.mailboxes.begin(), other.mailboxes.end(),
                      [](const auto& a, const auto& b) { return a.address == b.address; });
  }

  void once_control() {
    const auto& all = author_.findings;
    const auto had =
        std::any_of(all.begin(), all.end(), [](const auto& f) { return f.code == "display_name_control"; });
    if (!had) add("display_name_control", "control");
  }

  // Whatever the syntax means, could somebody read another domain out of this value?
  bool another_domain_shown(std::string_view value) {
    bool another = false;
    for (const SeenAddress& seen : seen_addresses(value, budget_)) {
      if (!seen.domain) {
        another = true;
      } else if (author_.addresses.empty() || *seen.domain != author_.addresses.front().domain()) {
        another = true;
        remember(*seen.domain);
      }
    }
    return another;
  }

  // RFC 9989 section 4.3 needs one author domain. Several clean addresses of one domain still have one.
  void settle(std::size_t from_fields) {
    const bool one_domain =
        std::all_of(author_.addresses.begin(), author_.addresses.end(),
                    [this](const auto& address) { return address.domain() == author_.addresses.front().domain(); });
    if (from_fields != 1 || !ambiguous_.empty() || usable_ == 0 || usable_ > kMaxAddresses || !one_domain) return;
    author_.author_domain = author_.addresses.front().domain();
    std::erase(author_.other_domains, *author_.author_domain);
  }

  // RFC 5322 section 3.6.2: Sender is one mailbox.
  void check_sender() {
    const mail::HeaderField* sender = message_.first("Sender");
    if (!sender) return;
    const mail::MailboxList list = mail::parse_mailboxes(sender->value.substr(0, kLongestValue), budget_);
    const bool one = list.mailboxes.size() == 1 && list.mailboxes.front().address;
    if (!one) add("sender_unusable", list.oddities.none() ? "empty" : list.oddities.words());
  }

  const mail::Message& message_;
  core::Budget& budget_;
  const bool with_names_;
  Author author_;
  std::size_t usable_ = 0;
  bool too_complex_ = false;
  std::string ambiguous_, untidy_, no_author_ = "empty";
};

}  // namespace

Author evaluate(const mail::Message& message, core::Budget& budget, bool with_names) {
  // Parts of its own: a header of ten thousand fields must not leave its author unread.
  core::Budget own = budget;
  own.parts = std::max(own.parts, core::Budget{}.parts);
  Author author = Judge(message, own, with_names).run();
  budget.steps = own.steps;
  budget.octets = own.octets;
  return author;
}

road::Finding finding_of(mail::MessageError error) {
  switch (error) {
    case mail::MessageError::kBareCr:
      return finding("bare_cr", "");
    case mail::MessageError::kBareLf:
      return finding("bare_lf", "");
    case mail::MessageError::kTooComplex:
      break;
  }
  return finding("too_complex", "");
}

}  // namespace sekisho::author
