#pragma once
// Private: the three fields of a set, read as far as that goes without DNS and keys (RFC 8617 section 4.1).
#include <map>

#include "road/identity/arc/arc.h"
#include "road/identity/signature/signature.h"

namespace sekisho::arc {

// i= of ARC-Authentication-Results and what stands behind it; nothing when it does not begin with "i=N;".
struct Results {
  unsigned instance = 0;
  std::string_view payload;
};
std::optional<Results> read_results(std::string_view value);

enum class Cv : unsigned char { kNone, kPass, kFail };

// What ARC-Seal and ARC-Message-Signature have in common, and what only one of them has.
struct Signature {
  const mail::HeaderField* header = nullptr;
  unsigned instance = 0;  // 0: unreadable
  std::string fault;      // empty when all that can be read is good
  bool seal = false;
  Cv cv = Cv::kNone;  // seal
  signature::KeyType key_type = signature::KeyType::kRsa;
  std::optional<mail::Domain> domain;
  std::optional<dns::Name> key_name;
  std::string_view signature_space;  // the hole of b=
  std::string octets;                // b= decoded
  // Message signature:
  signature::Canon header_canon = signature::Canon::kSimple, body_canon = signature::Canon::kSimple;
  std::vector<std::string_view> headers;
  std::string body_hash;
  std::optional<std::uint64_t> body_limit;
};
Signature read_signature(const mail::HeaderField& header, bool seal, const Options& options, core::Budget& budget);

// All sets in order, or why there is no chain.
struct Chain {
  struct Link {
    const mail::HeaderField* results_header = nullptr;
    Results results;
    Signature message_signature, seal;
  };
  unsigned highest = 0;  // 0: no ARC field at all
  std::vector<Link> links;
  std::string fault;
};
Chain read_chain(const mail::Message& message, const Options& options, core::Budget& budget);

// What a seal signs (section 5.1.1): all fields of the older sets, then its own set, itself with an empty b=.
// `prefix` is the canonical text of the older sets.
std::string sealed_text(const std::string& prefix, std::string_view results, std::string_view message_signature,
                        std::string_view seal, std::string_view hole);

}  // namespace sekisho::arc
