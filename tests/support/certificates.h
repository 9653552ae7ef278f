#pragma once
// Certificates to order, signed by themselves: names, key type and dates.
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <ctime>
#include <string>
#include <vector>

namespace sekisho::test {

struct Order {
  std::vector<std::string> names;
  unsigned rsa_bits = 0;  // 0: P-256
  long valid_from_s = -3600, valid_to_s = 86400 * 90;
};

inline void write_key(const std::string& path, EVP_PKEY* key) {
  FILE* out = std::fopen(path.c_str(), "w");
  PEM_write_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr);
  std::fclose(out);
}

// Writes both files anew, each in one go.
inline void make_certificate(const std::string& certificate, const std::string& key, const Order& order) {
  EVP_PKEY* pair = order.rsa_bits ? EVP_RSA_gen(order.rsa_bits) : EVP_EC_gen("P-256");
  X509* x509 = X509_new();
  X509_set_version(x509, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(x509), 1);
  X509_gmtime_adj(X509_getm_notBefore(x509), order.valid_from_s);
  X509_gmtime_adj(X509_getm_notAfter(x509), order.valid_to_s);
  X509_set_pubkey(x509, pair);
  X509_NAME* subject = X509_get_subject_name(x509);
  const std::string common = order.names.empty() ? "nobody" : order.names.front();
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(common.c_str()), -1,
                             -1, 0);
  X509_set_issuer_name(x509, subject);
  std::string text;
  for (const auto& name : order.names) text += (text.empty() ? "DNS:" : ",DNS:") + name;
  if (!text.empty()) {
    X509_EXTENSION* names = X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, text.c_str());
    X509_add_ext(x509, names, -1);
    X509_EXTENSION_free(names);
  }
  X509_sign(x509, pair, EVP_sha256());
  FILE* out = std::fopen(certificate.c_str(), "w");
  PEM_write_X509(out, x509);
  std::fclose(out);
  write_key(key, pair);
  X509_free(x509);
  EVP_PKEY_free(pair);
}

}  // namespace sekisho::test
