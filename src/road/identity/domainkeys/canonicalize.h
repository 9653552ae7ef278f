#pragma once
// Private: what is signed (RFC 4870 section 3.4.2): fields below the signature, an empty line, the body without its
// empty lines at the end.
#include "road/identity/domainkeys/domainkeys.h"
#include "road/identity/signature/signature.h"

namespace sekisho::domainkeys {

// The fields from `first` on: all in their order when `names` is null, else as `names` (h=, lower case) orders them;
// the first mention of a name takes all of its fields that no later mention takes. Nothing when the budget is empty.
std::optional<std::string> signed_digest(const mail::Message& message, std::size_t first,
                                         const std::vector<std::string>* names, Canon canon, core::Budget& budget);

struct Sender {
  const mail::HeaderField* field = nullptr;
  std::string header;
  std::optional<mail::Address> address;  // the first one
};
Sender find_sender(const mail::Message& message, core::Budget& budget);

}  // namespace sekisho::domainkeys
