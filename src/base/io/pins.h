#pragma once
// Towards a peer whose key is known: whoever holds one of these keys is trusted, whatever else its certificate says (as
// DANE-EE, RFC 7671 section 5.1).
#include <memory>
#include <string>
#include <vector>

#include "base/io/io.h"

namespace sekisho::io {

// key_sha256: 32 octets each, SHA-256 of the SubjectPublicKeyInfo, as TLSA 3 1 1 has it. At least one.
std::shared_ptr<TlsContext> pinned_client(std::vector<std::string> key_sha256);

}  // namespace sekisho::io
