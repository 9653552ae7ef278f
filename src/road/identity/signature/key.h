#pragma once
// Keys: the record under _domainkey (RFC 6376 section 3.6.1, RFC 8463), the public key in it, and private keys from
// PEM. A PublicKey is used on the thread that loaded it; each thread keeps the last 256 it parsed.
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/core/budget.h"
#include "base/core/result.h"
#include "mail/address/address.h"
#include "road/identity/signature/signature.h"

namespace sekisho::signature {

enum class KeyError {
  kSyntax,       // no tag list, no p=, duplicates, v= that is not first
  kVersion,      // v= is there and not DKIM1
  kUnknownType,  // k= is neither rsa nor ed25519
  kTooLong,      // the record is over 8192 octets or the budget is empty
  kRevoked,      // p= is empty
  kUnusable,     // p= is no key of its type, or a key anybody could sign with (RSA exponent 1, even exponent)
  kTooLarge,     // RSA over 8192 bits or an exponent over 64 bits: a verification would cost too much
};

// "SELECTOR._domainkey.DOMAIN", where the record is asked for; nothing when that is no name.
std::optional<mail::Domain> record_name(std::string_view selector, const mail::Domain& domain);

struct KeyRecord {
  KeyType type = KeyType::kRsa;
  std::string_view key;  // p= as it stands, base64 with white space; views into the record's text
  std::optional<std::string_view> granularity;    // g=, RFC 4871 and 4870
  bool versioned = false;                         // has v=DKIM1
  bool allows_sha1 = true, allows_sha256 = true;  // h=
  bool for_mail = true;                           // s= has "*" or "email"
  bool testing = false;                           // t=y
  bool strict_domain = false;                     // t=s: the domain of i= is d= itself
  bool allows(Hash hash) const { return hash == Hash::kSha1 ? allows_sha1 : allows_sha256; }

  static core::Result<KeyRecord, KeyError> parse(std::string_view text, core::Budget& budget);
};

class PublicKey {
 public:
  // `key` is p= as it stands: RSA as SubjectPublicKeyInfo or RSAPublicKey, Ed25519 as 32 octets.
  static core::Result<std::shared_ptr<PublicKey>, KeyError> load(KeyType type, std::string_view key);
  ~PublicKey();
  KeyType type() const;
  unsigned bits() const;  // 256 for Ed25519
  // RSASSA-PKCS1-v1_5 over the digest, or PureEdDSA with the digest as its message (RFC 8463 section 3).
  bool verify(Hash hash, std::string_view digest, std::string_view signature);

  struct Impl;
  explicit PublicKey(std::unique_ptr<Impl> impl);

 private:
  std::unique_ptr<Impl> impl_;
};

enum class PemError {
  kNoKey,       // no PEM block with a private key
  kPublic,      // a public key or a certificate
  kPassphrase,  // the key is encrypted
  kType,        // neither RSA nor Ed25519
  kTooSmall,    // RSA under 1024 bits (RFC 8301 section 3.2: MUST NOT)
  kTooLarge,    // RSA over 8192 bits: no verifier takes it
  kDamaged,     // its signatures do not verify with its own public half
};

class PrivateKey {
 public:
  // PKCS#8 or PKCS#1 PEM without a passphrase; the first key in it counts. It has proven that it can sign.
  static core::Result<PrivateKey, PemError> load(std::string_view pem);
  // The same without the reason.
  static std::optional<PrivateKey> from_pem(std::string_view pem);
  // A new one, of so many bits where the type has a choice. Takes 0.1 s and more for RSA: not on a loop.
  static PrivateKey generate(KeyType type, unsigned rsa_bits = 2048);
  std::string pem() const;  // PKCS#8; the caller wipes it
  KeyType type() const;
  unsigned bits() const;
  std::string record() const;  // "v=DKIM1; k=...; p=..." for the DNS
  // As PublicKey::verify wants it; nothing when OpenSSL refuses. Thread-safe.
  std::optional<std::string> sign(Hash hash, std::string_view digest) const;
  // What it signs verifies with `key`, p= of a record. Two texts of one key may differ.
  bool pairs_with(KeyType type, std::string_view key) const;

 private:
  explicit PrivateKey(std::shared_ptr<void> key) : key_(std::move(key)) {}
  std::shared_ptr<void> key_;  // EVP_PKEY
};

}  // namespace sekisho::signature
