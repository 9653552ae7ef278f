#pragma once
// The ledger's keys, files in its folder: `ledger.key` (Ed25519 seed, 0600, made at first start), `ledger.pub` (public
// key and salt), `<day>.rcpt` (that day's recipient-hash key, 0600, unlinked with the day), and the signed anchor of
// each finished day.
#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/random.h"
#include "base/core/result.h"
#include "base/store/day.h"
#include "base/store/error.h"
#include "base/store/file_ops.h"
#include "base/store/segment.h"

namespace sekisho::store {

using PublicKey = std::array<char, 32>;
using Signature = std::array<char, 64>;

// What a reader needs; from ledger.pub.
struct Identity {
  PublicKey key{};
  Salt salt{};
};
core::Result<Identity, StoreError> read_identity(const std::string& folder);
bool signature_holds(const PublicKey& key, std::string_view text, std::string_view signature);

class Signer {
 public:
  // Reads both key files, or makes them when neither is there. A key file others may read is refused.
  static core::Result<Signer, StoreError> open(FileOps& files, const std::string& folder, core::Random& random);
  const Identity& identity() const { return identity_; }
  Signature sign(std::string_view text) const;

 private:
  Signer(const std::array<char, 32>& seed, const Identity& identity) : seed_(seed), identity_(identity) {}
  std::array<char, 32> seed_;
  Identity identity_;
};

// What stays of a finished day: written when the day ends, signed; after retention it is all that is left of it.
struct Anchor {
  std::string day;  // "2026-11-24"
  std::uint64_t first_seq = 0, last_seq = 0;
  Chain first{}, last{};         // the chain before its first record, and at its last
  std::int64_t unlinked_us = 0;  // when retention took the day's records away; 0 = they are here
  bool signature_ok = false;     // of the read side
};
std::string format_anchor(const Anchor& anchor, const Signer& signer);
std::optional<Anchor> parse_anchor(std::string_view text, const PublicKey& key);

// Keyed hashes of recipients. Thread-safe.
class DayKeys {
 public:
  DayKeys(FileOps& files, std::string folder, core::Random& random)
      : files_(files), folder_(std::move(folder)), random_(random) {}
  // First 16 octets of HMAC-SHA256(key of that day, address in lower case). With make = false nothing when the day has
  // no key (any more); with make = true only when the key cannot be written.
  std::optional<std::array<char, 16>> hash(std::int32_t day, std::string_view address, bool make);
  core::Result<void, StoreError> destroy(std::int32_t day);

 private:
  std::optional<std::string> key(std::int32_t day, bool make);
  FileOps& files_;
  std::string folder_;
  core::Random& random_;
  std::mutex mutex_;
  std::map<std::int32_t, std::string> cache_;
};

}  // namespace sekisho::store
