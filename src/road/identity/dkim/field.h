#pragma once
// Private: one DKIM-Signature field, read and checked as far as that goes without DNS and keys (RFC 6376
// section 6.1.1).
#include "road/identity/dkim/dkim.h"

namespace sekisho::dkim {

// Why a signature ends here.
struct Refusal {
  road::AuthResult result;
  std::string reason;
  std::string_view finding = {};  // a code besides that of the result
};

struct Field {
  const mail::HeaderField* header = nullptr;
  Verification shown;                // filled as far as the field is readable, refused or not
  std::optional<Refusal> refusal;    // the first one
  std::string_view signature_space;  // the hole of section 3.7
  signature::Hash hash = signature::Hash::kSha256;
  signature::KeyType key_type = signature::KeyType::kRsa;
  signature::Canon header_canon = signature::Canon::kSimple, body_canon = signature::Canon::kSimple;
  std::optional<std::uint64_t> body_limit;
  std::string body_hash, signature;       // bh= and b=, decoded
  std::vector<std::string_view> headers;  // h=
  std::optional<mail::Domain> agent_domain;
  std::string agent_local;            // of i=, decoded
  std::optional<dns::Name> key_name;  // present when there is no refusal
  bool draft00 = false;               // no bh=: one hash over header and body
  std::uint64_t body_size = 0;        // then: canonical octets of the body
  bool from_left = false;             // there are From fields that h= does not cover
};

Field read_field(const mail::HeaderField& header, const Options& options, core::Budget& budget);

}  // namespace sekisho::dkim
