#pragma once
// DomainKeys (RFC 4870, historic): verifies and makes DomainKey-Signature fields, reads the policy at _domainkey. It is
// rsa-sha1, which RFC 8301 forbids for DKIM: what passes here is reported and proves nothing for DMARC or standing.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/core/budget.h"
#include "base/core/result.h"
#include "base/core/task.h"
#include "base/dns/dns.h"
#include "mail/address/address.h"
#include "mail/message/message.h"
#include "road/finding/finding.h"
#include "road/identity/signature/key.h"

namespace sekisho::domainkeys {

enum class Canon : unsigned char { kSimple, kNofws };

// One field. Texts are printable; empty when the field did not have them in a readable form.
struct Verification {
  road::AuthResult result = road::AuthResult::kNone;
  std::string reason;
  std::string signing_domain;  // d= as A-labels
  std::string selector;
  std::string algorithm;  // a=, "rsa-sha1"
  unsigned key_bits = 0;
  bool testing = false;  // t=y in the key
};

// TXT at _domainkey.DOMAIN (section 3.6).
struct Policy {
  bool found = false;
  bool signs_all = false;  // o=-
  bool testing = false;    // t=y
  std::string contact;     // r=
};
std::optional<Policy> parse_policy(std::string_view text, core::Budget& budget);

struct Evaluation {
  road::AuthResult result = road::AuthResult::kNone;  // pass when one passes; else that of the first signature
  std::string reason;
  std::optional<mail::Address> sending_address;  // of Sender, else of From (section 3.2.1)
  std::string header;                            // "Sender" or "From"
  std::vector<Verification> signatures;
  std::optional<Policy> policy;  // asked for only when no signature passes and options.ask_policy
  road::Findings findings;
};

struct Options {
  bool legacy = false;      // keys from 512 bits
  bool ask_policy = false;  // for a mail without a good signature: one query more
  std::size_t max_signatures = 5;
};

core::Task<Evaluation> verify(const mail::Message& message, dns::Resolver& resolver, const Options& options,
                              core::Budget& budget);

// The address that DomainKeys speaks of (section 3.2.1): of Sender, else of From.
std::optional<mail::Address> sending_address(const mail::Message& message, core::Budget& budget);

enum class SignError { kOptions, kNoFrom, kKey };
struct SignOptions {
  mail::Domain domain;  // of the sending address, or above it
  std::string selector;
  Canon canon = Canon::kNofws;
  std::vector<std::string> headers;  // h=; empty: every field is signed and h= lists them
};
// The whole field "DomainKey-Signature: ...\r\n", to be put before the message.
core::Result<std::string, SignError> sign(const mail::Message& message, const signature::PrivateKey& key,
                                          const SignOptions& options);

}  // namespace sekisho::domainkeys
