#pragma once
// Private: what is checked once the key records are here (RFC 6376 sections 6.1.2 and 6.1.3). Both set field.refusal.
#include <span>

#include "road/identity/dkim/field.h"

namespace sekisho::dkim {

// The key and the signature over the header; `texts` are the TXT records of the key's name.
void check_signature(Field& field, std::span<const std::string> texts, const mail::Message& message,
                     const signature::HeaderIndex& index, const Options& options, core::Budget& budget);
// bh= and l= of all fields that are still unrefused, in one pass over the body.
void check_bodies(std::vector<Field>& fields, const mail::Message& message, core::Budget& budget);

// The fields that h= names in canonical form (section 3.7, before the signature field itself, which is `own` and may
// be null); nothing when the budget is empty. from_left (may be null): From fields remain that h= does not cover.
std::optional<std::string> canonical_header(const signature::HeaderIndex& index, const mail::HeaderField* own,
                                            const std::vector<std::string_view>& names, signature::Canon canon,
                                            core::Budget& budget, bool* from_left);

}  // namespace sekisho::dkim
