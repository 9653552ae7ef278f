#pragma once
// One CMS object (RFC 5652) against the trusted CAs. For this room only. Blocking: belongs on a pool.
#include <string>
#include <string_view>
#include <vector>

#include "mail/address/address.h"
#include "road/identity/smime/smime.h"

namespace sekisho::smime {

// Fills result, reason, address, serial, issuer, domain, by_author. Detached: content are the signed octets.
void check_cms(std::string_view cms, bool detached, std::string_view content, const std::vector<mail::Address>& authors,
               const Trust& trust, std::int64_t now_s, Evaluation& out);

}  // namespace sekisho::smime
