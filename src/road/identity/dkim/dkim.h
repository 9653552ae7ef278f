#pragma once
// DKIM (RFC 6376 with RFC 8301, 8463, 8616): verifies every DKIM-Signature of a message, and makes one.
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/budget.h"
#include "base/core/result.h"
#include "base/core/task.h"
#include "base/dns/dns.h"
#include "base/io/io.h"
#include "mail/address/address.h"
#include "mail/message/message.h"
#include "road/finding/finding.h"
#include "road/identity/signature/key.h"
#include "road/identity/signature/signature.h"

namespace sekisho::dkim {

// One DKIM-Signature field. The texts that come from outside hold no CR, LF, NUL or other control characters, but may
// hold anything else (agent_id: quotes, 8-bit octets): writers quote. A text is empty when the field did not have it in
// a readable form.
struct Verification {
  road::AuthResult result = road::AuthResult::kNone;
  std::string reason;          // for people, printable ASCII
  std::string signing_domain;  // d= as A-labels; empty when it is not a domain name
  std::string selector;        // s=
  std::string agent_id;        // i=, or "@" and d= when absent
  std::string algorithm;       // a=
  unsigned key_bits = 0;       // 0 when no key was seen
  // Not shown in JSON:
  std::optional<mail::Domain> domain;  // d= for alignment
  std::string signature_head;          // header.b: the first octets of b=, at least 8, unique in the message (RFC 6008)
  bool testing = false;                // t=y: a failure is to be treated as if the mail were unsigned
  bool passed() const { return result == road::AuthResult::kPass; }
};

// Hashing a bigger message takes milliseconds: it belongs on a pool, not on a loop.
constexpr std::size_t kBigBytes = 1u << 20;

struct Options {
  std::int64_t now_s = 0;           // wall time, for t= and x=
  bool legacy = false;              // RSA from 512 bits, sha1, v= missing or 0.5, g=, draft-00 without bh=
  std::int64_t skew_s = 300;        // clocks may differ by so much
  std::int64_t max_age_s = 0;       // t= further back than this is over-old (policy); 0: any age
  std::size_t max_signatures = 10;  // so many may cost look-ups and key operations; the readable others are policy
  std::size_t max_fields = 100;     // fields beyond this are not even listed
  // For the finding dkim_d_public_suffix; may be empty.
  std::function<bool(const mail::Domain&)> is_public_suffix;
  io::Pool* pool = nullptr;  // where big messages are hashed; null: on the caller's thread
};

// In the order of the header; empty when there is no signature. Words:
//   pass       the signature is good and covers the whole body
//   fail       the hash of body or header is not what was signed
//   policy     sha1, RSA under 1024 bits, octets beyond l=, expired, over-old, from the future, one too many
//   permerror  missing or unreadable field or key, revoked key, and whatever in it contradicts the RFC
//   temperror  the DNS did not answer
// Findings of room "dkim" are in findings.def. Never takes more than max_signatures queries from the budget; an empty
// budget gives policy. Runs at most one RSA check per key record and one pass over the body.
core::Task<std::vector<Verification>> verify(const mail::Message& message, dns::Resolver& resolver,
                                             const Options& options, core::Budget& budget, road::Findings& findings);

enum class SignError {
  kOptions,  // a selector, tag or time that may not stand in a signature
  kNoFrom,   // the message has no From
  kKey,      // the key cannot make this signature
  kTooComplex,
};

struct SignOptions {
  mail::Domain domain;
  std::string selector;
  signature::Hash hash = signature::Hash::kSha256;  // kSha1 only for tests of old verifiers
  signature::Canon header_canon = signature::Canon::kRelaxed;
  signature::Canon body_canon = signature::Canon::kRelaxed;
  // h= as given, From added when missing. Empty: the fields of RFC 6376 section 5.4.1 that are there, each once more
  // than it is there for From, To, Cc, Subject, Date, Reply-To, Message-ID and MIME fields, so that none can be added.
  std::vector<std::string> headers;
  std::optional<std::string> agent_id;      // i=
  std::optional<std::int64_t> now_s;        // t=
  std::optional<std::int64_t> expires_s;    // x=
  std::optional<std::uint64_t> body_limit;  // l=, only for tests of verifiers: what it leaves open anybody may fill
};

// The whole field "DKIM-Signature: ...\r\n", folded, to be put before the message.
core::Result<std::string, SignError> sign(const mail::Message& message, const signature::PrivateKey& key,
                                          const SignOptions& options);

struct SignWith {
  const signature::PrivateKey* key;
  SignOptions options;
};
// Several at once, such as RSA and Ed25519 (RFC 8463 section 6), all over the message as it stands: their fields one
// above the other in this order. The body is read once. Nothing is signed when one of them cannot.
core::Result<std::string, SignError> sign_all(const mail::Message& message, const std::vector<SignWith>& with);

}  // namespace sekisho::dkim
