#pragma once
// A certificate and its key as two PEM files (one file may hold both): read, checked against each other and described.
// Thread-safe. Reads files, so on a Pool or before the loops run.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"

namespace sekisho::io {

struct CertificateFiles {
  std::string certificate, key;
  bool operator==(const CertificateFiles&) const = default;
};

struct CertificateFacts {
  CertificateFiles files;
  std::vector<std::string> names;  // dNSNames in lower case ("*.a.example" too); the common name where there is none
  std::string issuer;              // one line, for people
  std::int64_t not_before_s = 0, not_after_s = 0;
  std::string key_type;         // "RSA", "EC", "ED25519"
  unsigned key_bits = 0;        // 2048, 256
  bool slow = false;            // one signature takes more than a millisecond: RSA over 2048 bits, curves beyond P-256
  std::string spki_sha256;      // 32 octets: what TLSA 3 1 1 and a pin hold
  std::string fingerprint;      // 32 octets: SHA-256 of the certificate
  std::size_t chain_count = 0;  // certificates behind the first
  bool chain_in_order = true;   // each certifies the one before it (RFC 5246 section 7.4.2)
  bool self_signed = false;
  // RFC 6125 section 6.4.3: a wildcard stands for one whole leftmost label.
  bool covers(std::string_view host) const;
  std::string name() const { return names.empty() ? files.certificate : names.front(); }
};

struct CertificateFault {
  std::string file;    // the one to mend
  std::string reason;  // "key does not match certificate FILE", "No such file or directory"
  std::string text() const { return file + ": " + reason; }
};

// Dates are not judged. A key under a passphrase is a fault; nobody is asked for one.
core::Result<CertificateFacts, CertificateFault> inspect_certificate(const CertificateFiles& files);

}  // namespace sekisho::io
