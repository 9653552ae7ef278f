#include "base/io/certificate.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <system_error>

#include "base/core/text.h"
#include "base/io/certificate_pair.h"

namespace sekisho::io {
namespace {
constexpr std::size_t kMaxFile = 1u << 20;
constexpr unsigned kLeastRsaBits = 2048;  // RFC 9325 section 4.5

core::Result<std::string, CertificateFault> read_file(const std::string& path) {
  const auto fault = [&path](int number) {
    return core::error(CertificateFault{path, std::generic_category().message(number)});
  };
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return fault(errno);
  std::string out;
  char block[16384];
  ssize_t n = 0;
  while ((n = ::read(fd, block, sizeof block)) > 0 && out.size() <= kMaxFile)
    out.append(block, static_cast<std::size_t>(n));
  const int number = n < 0 ? errno : 0;
  ::close(fd);
  if (number != 0) return fault(number);
  if (out.size() > kMaxFile) return core::error(CertificateFault{path, "is larger than 1 MiB"});
  return out;
}

Openssl<BIO> memory(const std::string& octets) {
  return Openssl<BIO>(BIO_new_mem_buf(octets.data(), static_cast<int>(octets.size())));
}

// True when the queue says only that there is nothing more; emptied when it does.
bool no_more_pem() {
  const unsigned long code = ERR_peek_last_error();
  const bool clean = ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
  if (clean) ERR_clear_error();
  return clean;
}

std::string plain_name(const ASN1_STRING* text) {
  std::string out(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                  static_cast<std::size_t>(ASN1_STRING_length(text)));
  const auto odd = [](char c) { return !core::is_alnum(c) && c != '-' && c != '.' && c != '_' && c != '*'; };
  if (out.empty() || out.size() > 253 || std::any_of(out.begin(), out.end(), odd)) return {};
  return core::to_lower(out);
}

void add_name(std::vector<std::string>& names, std::string name) {
  if (!name.empty() && std::find(names.begin(), names.end(), name) == names.end()) names.push_back(std::move(name));
}

std::vector<std::string> names_of(X509* leaf) {
  std::vector<std::string> names;
  auto* all = static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(leaf, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(all); ++i) {
    const GENERAL_NAME* one = sk_GENERAL_NAME_value(all, i);
    if (one->type == GEN_DNS) add_name(names, plain_name(one->d.dNSName));
  }
  GENERAL_NAMES_free(all);
  if (!names.empty()) return names;
  // RFC 6125 section 6.4.4: the common name is the last resort.
  const X509_NAME* subject = X509_get_subject_name(leaf);
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (at >= 0) add_name(names, plain_name(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at))));
  return names;
}

std::int64_t seconds(const ASN1_TIME* time) {
  std::tm parts{};
  return ASN1_TIME_to_tm(time, &parts) == 1 ? static_cast<std::int64_t>(::timegm(&parts)) : 0;
}

std::string digest_of(X509* leaf, bool key_only) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (!key_only) {
    X509_digest(leaf, EVP_sha256(), digest, &size);
  } else {
    unsigned char* der = nullptr;
    const int length = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(leaf), &der);
    if (length > 0) EVP_Digest(der, static_cast<std::size_t>(length), digest, &size, EVP_sha256(), nullptr);
    OPENSSL_free(der);
  }
  return std::string(reinterpret_cast<const char*>(digest), size);
}

std::string one_line(const X509_NAME* name) {
  char* text = X509_NAME_oneline(name, nullptr, 0);
  std::string out = text ? core::printable(text) : std::string();
  OPENSSL_free(text);
  return out;
}

void describe_key(CertificateFacts& facts, EVP_PKEY* key) {
  const int kind = EVP_PKEY_get_base_id(key);
  facts.key_bits = static_cast<unsigned>(EVP_PKEY_get_bits(key));
  const bool rsa = kind == EVP_PKEY_RSA || kind == EVP_PKEY_RSA_PSS;
  facts.key_type = rsa ? "RSA" : kind == EVP_PKEY_EC ? "EC" : kind == EVP_PKEY_ED25519 ? "ED25519" : OBJ_nid2sn(kind);
  facts.slow = rsa ? facts.key_bits > 2048 : kind != EVP_PKEY_ED25519 && facts.key_bits > 256;
}

void describe(CertificatePair& pair) {
  CertificateFacts& facts = pair.facts;
  X509* leaf = pair.leaf.get();
  facts.names = names_of(leaf);
  facts.issuer = one_line(X509_get_issuer_name(leaf));
  facts.not_before_s = seconds(X509_get0_notBefore(leaf));
  facts.not_after_s = seconds(X509_get0_notAfter(leaf));
  facts.spki_sha256 = digest_of(leaf, true);
  facts.fingerprint = digest_of(leaf, false);
  facts.self_signed = X509_check_issued(leaf, leaf) == X509_V_OK;
  facts.chain_count = pair.chain.size();
  X509* below = leaf;
  for (const auto& above : pair.chain) {
    facts.chain_in_order = facts.chain_in_order && X509_check_issued(above.get(), below) == X509_V_OK;
    below = above.get();
  }
  describe_key(facts, pair.key.get());
}

core::Result<void, CertificateFault> read_chain(CertificatePair& pair, const std::string& octets) {
  const std::string& file = pair.facts.files.certificate;
  const auto bio = memory(octets);
  for (;;) {
    Openssl<X509> next(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
    if (!next) break;
    if (pair.leaf)
      pair.chain.push_back(std::move(next));
    else
      pair.leaf = std::move(next);
  }
  // The end without a new beginning is the clean one; a block cut off in its middle is another error.
  if (!no_more_pem()) return core::error(CertificateFault{file, "is cut off or damaged: " + openssl_reason()});
  if (!pair.leaf) return core::error(CertificateFault{file, "holds no certificate in PEM form"});
  // A cut through a BEGIN line looks like no further block at all.
  const auto end = octets.find("-----", octets.rfind("-----END ") + 9);
  if (octets.find("-----", end + 5) != std::string::npos)
    return core::error(CertificateFault{file, "is cut off or damaged: behind its last certificate begins another"});
  return {};
}

int refuse_passphrase(char*, int, int, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

core::Result<void, CertificateFault> read_key(CertificatePair& pair, const std::string& octets) {
  const auto& [certificate, file] = pair.facts.files;
  const auto bio = memory(octets);
  bool asked = false;
  pair.key.reset(PEM_read_bio_PrivateKey(bio.get(), nullptr, refuse_passphrase, &asked));
  if (!pair.key) {
    if (asked) {
      ERR_clear_error();
      return core::error(CertificateFault{file, "is encrypted; a key without a passphrase is needed"});
    }
    if (octets.find("PRIVATE KEY-----") == std::string::npos) {
      ERR_clear_error();
      return core::error(CertificateFault{file, "holds no private key in PEM form"});
    }
    return core::error(CertificateFault{file, "is cut off or damaged: " + openssl_reason()});
  }
  if (X509_check_private_key(pair.leaf.get(), pair.key.get()) != 1) {
    ERR_clear_error();
    return core::error(CertificateFault{file, "key does not match certificate " + certificate});
  }
  return {};
}
}  // namespace

std::string openssl_reason() {
  const unsigned long first = ERR_peek_error(), code = ERR_peek_last_error();
  ERR_clear_error();
  // A file that cannot be opened is told first, then only "system lib".
  if (ERR_SYSTEM_ERROR(first)) return std::generic_category().message(ERR_GET_REASON(first));
  const char* reason = code ? ERR_reason_error_string(code) : nullptr;
  return reason ? reason : "unknown TLS error";
}

core::Result<CertificatePair, CertificateFault> read_pair(const CertificateFiles& files) {
  ERR_clear_error();
  CertificatePair pair;
  pair.facts.files = files;
  auto octets = read_file(files.certificate);
  if (!octets) return core::error(octets.error());
  const auto chain = read_chain(pair, *octets);
  if (!chain) return core::error(chain.error());
  auto secret = read_file(files.key);
  if (!secret) return core::error(secret.error());
  const auto key = read_key(pair, *secret);
  OPENSSL_cleanse(secret->data(), secret->size());
  if (!key) return core::error(key.error());
  describe(pair);
  if (pair.facts.key_type == "RSA" && pair.facts.key_bits < kLeastRsaBits)
    return core::error(CertificateFault{files.key, "is an RSA key of " + std::to_string(pair.facts.key_bits) +
                                                       " bits; at least " + std::to_string(kLeastRsaBits) +
                                                       " are needed"});
  return pair;
}

core::Result<CertificateFacts, CertificateFault> inspect_certificate(const CertificateFiles& files) {
  auto pair = read_pair(files);
  if (!pair) return core::error(pair.error());
  return std::move(pair->facts);
}

bool CertificateFacts::covers(std::string_view host) const {
  const std::string wanted = core::to_lower(std::string(host));
  const auto dot = wanted.find('.');
  const std::string any = dot == std::string::npos || dot == 0 ? std::string() : "*" + wanted.substr(dot);
  return std::any_of(names.begin(), names.end(),
                     [&](const std::string& name) { return name == wanted || (!any.empty() && name == any); });
}

}  // namespace sekisho::io
