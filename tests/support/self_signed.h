#pragma once
// Certificates made on the spot: one for a name, signed by itself, its key, and a second key that does not fit.
#include <stdlib.h>
#include <unistd.h>

#include <string>

#include "certificates.h"

namespace sekisho::test {

class SelfSigned {
 public:
  std::string certificate, key, other_key;  // PEM files

  explicit SelfSigned(const std::string& name) {
    char folder[] = "/tmp/sekisho-tls-XXXXXX";
    folder_ = mkdtemp(folder);
    certificate = folder_ + "/cert.pem";
    key = folder_ + "/key.pem";
    other_key = folder_ + "/other.pem";
    Order order{{name}};
    order.valid_to_s = 3600;
    make_certificate(certificate, key, order);
    EVP_PKEY* other = EVP_EC_gen("P-256");
    write_key(other_key, other);
    EVP_PKEY_free(other);
  }
  SelfSigned(const SelfSigned&) = delete;
  ~SelfSigned() {
    for (const auto& file : {certificate, key, other_key}) unlink(file.c_str());
    rmdir(folder_.c_str());
  }

 private:
  std::string folder_;
};

}  // namespace sekisho::test
