#pragma once
// Inner header: OpenSSL's side of a certificate and its key.
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>
#include <vector>

#include "base/io/certificate.h"

namespace sekisho::io {

struct OpensslFree {
  void operator()(SSL_CTX* p) const { SSL_CTX_free(p); }
  void operator()(X509* p) const { X509_free(p); }
  void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
  void operator()(BIO* p) const { BIO_free(p); }
};
template <class T>
using Openssl = std::unique_ptr<T, OpensslFree>;

struct CertificatePair {
  Openssl<X509> leaf;
  std::vector<Openssl<X509>> chain;
  Openssl<EVP_PKEY> key;
  CertificateFacts facts;
};
core::Result<CertificatePair, CertificateFault> read_pair(const CertificateFiles& files);

// The last word OpenSSL has in its queue, which is emptied.
std::string openssl_reason();

}  // namespace sekisho::io
