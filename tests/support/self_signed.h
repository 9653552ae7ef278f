#pragma once
// Certificates made on the spot: one for a name, signed by itself, its key, and a second key that does not fit.
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstdio>
#include <string>

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
    EVP_PKEY* pair = EVP_EC_gen("P-256");
    EVP_PKEY* other = EVP_EC_gen("P-256");
    write_key(key, pair);
    write_key(other_key, other);
    write_certificate(name, pair);
    EVP_PKEY_free(pair);
    EVP_PKEY_free(other);
  }
  SelfSigned(const SelfSigned&) = delete;
  ~SelfSigned() {
    for (const auto& file : {certificate, key, other_key}) unlink(file.c_str());
    rmdir(folder_.c_str());
  }

 private:
  void write_certificate(const std::string& name, EVP_PKEY* pair) {
    X509* x509 = X509_new();
    X509_set_version(x509, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x509), 1);
    X509_gmtime_adj(X509_getm_notBefore(x509), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x509), 3600);
    X509_set_pubkey(x509, pair);
    X509_NAME* subject = X509_get_subject_name(x509);
    const auto* text = reinterpret_cast<const unsigned char*>(name.c_str());
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, text, -1, -1, 0);
    X509_set_issuer_name(x509, subject);
    X509_EXTENSION* names = X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, ("DNS:" + name).c_str());
    X509_add_ext(x509, names, -1);
    X509_sign(x509, pair, EVP_sha256());
    FILE* out = fopen(certificate.c_str(), "w");
    PEM_write_X509(out, x509);
    fclose(out);
    X509_EXTENSION_free(names);
    X509_free(x509);
  }
  static void write_key(const std::string& path, EVP_PKEY* key) {
    FILE* out = fopen(path.c_str(), "w");
    PEM_write_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr);
    fclose(out);
  }
  std::string folder_;
};

}  // namespace sekisho::test
