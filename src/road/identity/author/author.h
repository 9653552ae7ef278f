#pragma once
// Who the letterhead says has written the mail: exactly one usable From, and a finding for every way in which a mail
// reader could show somebody else. Facts only; road/verdict decides. Re-entrant, no network; keeps nothing after
// returning.
#include <optional>
#include <vector>

#include "base/core/budget.h"
#include "mail/address/address.h"
#include "mail/message/message.h"
#include "road/finding/finding.h"

namespace sekisho::author {

struct Author {
  std::vector<mail::Address>
      addresses;  // of all From fields in order, those of look-alike fields not; at most kMaxAddresses
  // The RFC5322.From domain for DMARC and alignment. Nothing when there is no usable From, and nothing when readers
  // could disagree on it: then no result may speak for any domain.
  std::optional<mail::Domain> author_domain;
  // Every other domain a reader may take for the author's; their owners' policies may be asked (RFC 9989 section 11.5).
  // No doubles.
  std::vector<mail::Domain> other_domains;
  // What From shows beside the addresses - display names, comments, group names - as the eye takes it (NFKC, nothing
  // invisible), empty ones not; together at most kMaxNameOctets. Only where they were asked for.
  std::vector<std::string> names;
  road::Findings findings;
};

inline constexpr std::size_t kMaxAddresses = 100;
inline constexpr std::size_t kMaxNameOctets = 16384;

Author evaluate(const mail::Message& message, core::Budget& budget, bool with_names = true);

// The finding that stands for a message which could not be parsed at all ("bare_cr", "bare_lf", "too_complex").
road::Finding finding_of(mail::MessageError error);

}  // namespace sekisho::author
