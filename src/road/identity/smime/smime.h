#pragma once
// S/MIME (RFC 8551): the signature of a person, not of a domain. The top-level entity of a message, multipart/signed or
// application/pkcs7-mime with signed data, is verified against the CAs the operator names, and the signer's address is
// compared with the author's.
//
// It needs no content Grant: boundary lines are looked for, the signed octets are hashed, the signature is read.
// Nothing of what is signed is decoded, kept or shown; what an opaque signature wraps goes into the digest and nowhere
// else. Nothing is ever decrypted. No network: no CRL, no OCSP, no certificate is fetched. A nested entity is not
// looked at. Re-entrant. Cost: RSA and chain building, on the pool.
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/core/budget.h"
#include "base/core/result.h"
#include "base/core/task.h"
#include "base/io/io.h"
#include "mail/address/address.h"
#include "mail/message/message.h"
#include "road/finding/finding.h"

struct x509_store_st;

namespace sekisho::smime {

inline constexpr std::size_t kMaxSignatureBytes = 256 * 1024;  // of a detached signature, decoded
inline constexpr std::size_t kMaxOpaqueBytes = 32u << 20;      // of a whole opaque signature, decoded
inline constexpr int kMaxSigners = 4;
inline constexpr int kMaxCertificates = 16;
inline constexpr int kMaxChain = 5;  // CAs between the signer and a trusted one
inline constexpr int kLeastRsaBits = 2048;

// The CAs, read once. Immutable, thread-safe.
class Trust {
 public:
  // PEM file with one certificate or more; the error says what is wrong with it.
  static core::Result<std::shared_ptr<const Trust>, std::string> load(const std::string& ca_file);
  static std::shared_ptr<const Trust> none();  // believes nobody
  ~Trust();
  x509_store_st* store() const { return store_; }

 private:
  explicit Trust(x509_store_st* store) : store_(store) {}
  x509_store_st* store_;
};

struct Options {
  std::int64_t now_s = 0;  // for the certificates' dates
  io::Pool* pool = nullptr;
};

// The words of RFC 7281: none (not signed by S/MIME), pass, fail (the signature or a certificate does not hold), policy
// (it holds, but the CA is not trusted, the algorithm is weak or the signer is not the author), neutral (cannot be
// read), permerror (something needed is missing, or it is too much).
struct Evaluation {
  road::AuthResult result = road::AuthResult::kNone;
  std::string reason;                  // for people, printable ASCII
  std::string part;                    // body.smime-part: where the signature is (IMAP section)
  std::string address;                 // body.smime-identifier: of the signer, printable; "" when it names none
  std::string serial, issuer;          // of the signer's certificate: hex as openssl shows it, RFC 2253
  std::optional<mail::Domain> domain;  // of the address
  bool by_author = false;              // the address is the one in From
  road::Findings findings;
};

core::Task<Evaluation> verify(const mail::Message& message, const std::vector<mail::Address>& authors,
                              std::shared_ptr<const Trust> trust, Options options, core::Budget& budget);

}  // namespace sekisho::smime
