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

}  // namespace sekisho::dkim
