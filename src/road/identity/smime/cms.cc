#include "road/identity/smime/cms.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/core/text.h"

namespace sekisho::smime {
namespace {

using road::AuthResult;

template <auto Free>
struct With {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
void free_certificates(STACK_OF(X509) * all) { sk_X509_pop_free(all, X509_free); }
void free_list(STACK_OF(X509) * all) { sk_X509_free(all); }
void free_names(GENERAL_NAMES* all) { sk_GENERAL_NAME_pop_free(all, GENERAL_NAME_free); }
using Cms = std::unique_ptr<CMS_ContentInfo, With<CMS_ContentInfo_free>>;
using Bio = std::unique_ptr<BIO, With<BIO_free>>;
using Certificates = std::unique_ptr<STACK_OF(X509), With<free_certificates>>;
using Borrowed = std::unique_ptr<STACK_OF(X509), With<free_list>>;
using Names = std::unique_ptr<GENERAL_NAMES, With<free_names>>;
using Context = std::unique_ptr<X509_STORE_CTX, With<X509_STORE_CTX_free>>;

Bio memory(std::string_view octets) { return Bio(BIO_new_mem_buf(octets.data(), static_cast<int>(octets.size()))); }

// Behind a filter: of a plain memory BIO CMS_verify makes a copy, and loses it where the digest is unknown.
void free_chain(BIO* chain) { BIO_free_all(chain); }
using Chain = std::unique_ptr<BIO, With<free_chain>>;
BIO* reading(std::string_view octets) {
  Bio filter(BIO_new(BIO_f_null()));
  Bio source = memory(octets);
  if (!filter || !source) return nullptr;
  BIO_push(filter.get(), source.release());
  return filter.release();
}

struct Word {
  AuthResult result = AuthResult::kPass;
  std::string reason;
};

std::string text_of(const ASN1_STRING* text) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
          static_cast<std::size_t>(ASN1_STRING_length(text))};
}

// RFC 8550 section 3: rfc822Name of subjectAltName; emailAddress of the subject where there is none.
std::vector<std::string> addresses_of(X509* certificate) {
  constexpr std::size_t kMax = 20;
  std::vector<std::string> out;
  const Names names(static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()) && out.size() < kMax; ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type == GEN_EMAIL) out.push_back(text_of(name->d.rfc822Name));
  }
  if (!out.empty()) return out;
  const X509_NAME* subject = X509_get_subject_name(certificate);
  for (int at = -1; out.size() < kMax;) {
    at = X509_NAME_get_index_by_NID(subject, NID_pkcs9_emailAddress, at);
    if (at < 0) break;
    out.push_back(text_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at))));
  }
  return out;
}

std::string serial_of(X509* certificate) {
  BIGNUM* number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), nullptr);
  char* digits = number ? BN_bn2hex(number) : nullptr;
  const std::string out = digits ? core::printable(digits, 64) : "";
  OPENSSL_free(digits);
  BN_free(number);
  return out;
}

std::string issuer_of(X509* certificate) {
  const Bio out(BIO_new(BIO_s_mem()));
  if (!out || X509_NAME_print_ex(out.get(), X509_get_issuer_name(certificate), 0, XN_FLAG_RFC2253) < 0) return "";
  char* octets = nullptr;
  const long size = BIO_get_mem_data(out.get(), &octets);
  return size > 0 ? core::printable({octets, static_cast<std::size_t>(size)}, 200) : "";
}

// A certificate that OpenSSL calls broken is a failure; one that is only not to our liking is policy.
AuthResult result_of(int error) {
  switch (error) {
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_UNTRUSTED:
    case X509_V_ERR_INVALID_PURPOSE:
    case X509_V_ERR_CERT_CHAIN_TOO_LONG:
    case X509_V_ERR_EE_KEY_TOO_SMALL:
    case X509_V_ERR_CA_KEY_TOO_SMALL:
    case X509_V_ERR_CA_MD_TOO_WEAK:
      return AuthResult::kPolicy;
    default:
      return AuthResult::kFail;
  }
}

Word check_chain(X509* signer, STACK_OF(X509) * others, const Trust& trust, std::int64_t now_s) {
  const Context context(X509_STORE_CTX_new());
  if (!context || X509_STORE_CTX_init(context.get(), trust.store(), signer, others) != 1 ||
      X509_STORE_CTX_set_default(context.get(), "smime_sign") != 1)
    return {AuthResult::kPermError, "no memory"};
  X509_VERIFY_PARAM* how = X509_STORE_CTX_get0_param(context.get());
  X509_VERIFY_PARAM_set_time(how, static_cast<time_t>(now_s));
  X509_VERIFY_PARAM_set_depth(how, kMaxChain);
  X509_VERIFY_PARAM_set_auth_level(how, 2);  // 112 bits: RSA 2048, no SHA-1 within the chain
  if (X509_verify_cert(context.get()) == 1) return {};
  const int error = X509_STORE_CTX_get_error(context.get());
  return {result_of(error), std::string("certificate: ") + X509_verify_cert_error_string(error)};
}

// RFC 8551 section 2.1 and 2.2: SHA-256 and up; RSA from 2048 bits.
Word check_strength(CMS_SignerInfo* info, X509* signer) {
  X509_ALGOR *digest = nullptr, *signature = nullptr;
  CMS_SignerInfo_get0_algs(info, nullptr, nullptr, &digest, &signature);
  const ASN1_OBJECT* which = nullptr;
  X509_ALGOR_get0(&which, nullptr, nullptr, digest);
  const int nid = OBJ_obj2nid(which);
  const bool good = nid == NID_sha256 || nid == NID_sha384 || nid == NID_sha512 || nid == NID_sha3_256 ||
                    nid == NID_sha3_384 || nid == NID_sha3_512;
  if (!good) return {AuthResult::kPolicy, "the digest algorithm is too weak"};
  const EVP_PKEY* key = X509_get0_pubkey(signer);
  const int kind = key ? EVP_PKEY_get_base_id(key) : 0;
  if ((kind == EVP_PKEY_RSA || kind == EVP_PKEY_RSA_PSS) && EVP_PKEY_get_bits(key) < kLeastRsaBits)
    return {AuthResult::kPolicy, "the key is too short"};
  return {};
}

// The address that is the author's, or else the first.
void tell_signer(X509* signer, const std::vector<mail::Address>& authors, Evaluation& out) {
  out.serial = serial_of(signer);
  out.issuer = issuer_of(signer);
  out.address.clear();
  out.domain.reset();
  out.by_author = false;
  for (const auto& text : addresses_of(signer)) {
    const auto address = mail::Address::parse(text);
    // RFC 5280 section 7.5: the local part as it is, the domain without letter case.
    const bool ours = address && authors.size() == 1 && authors.front().local() == address->local() &&
                      authors.front().domain() == address->domain();
    if (!ours && !out.address.empty()) continue;
    out.address = core::printable(text, 254);
    out.domain = address ? std::optional(address->domain()) : std::nullopt;
    out.by_author = ours;
    if (ours) return;
  }
}

Word check_signer(CMS_SignerInfo* info, STACK_OF(X509) * others, const std::vector<mail::Address>& authors,
                  const Trust& trust, std::int64_t now_s, Evaluation& out) {
  X509* signer = nullptr;
  CMS_SignerInfo_get0_algs(info, nullptr, &signer, nullptr, nullptr);
  if (!signer) return {AuthResult::kPermError, "the signer's certificate is not there"};
  tell_signer(signer, authors, out);
  Word word = check_strength(info, signer);
  if (word.result == AuthResult::kPass) word = check_chain(signer, others, trust, now_s);
  if (word.result == AuthResult::kPass && !out.by_author)
    word = {AuthResult::kPolicy,
            out.address.empty() ? "the certificate names no address" : "the signer is not the author"};
  return word;
}

void set(Evaluation& out, AuthResult result, std::string reason) {
  out.result = result;
  out.reason = core::printable(reason, 160);
}

// CMS_verify's own word for what went wrong.
Word why_not() {
  const unsigned long code = ERR_peek_last_error();
  const int reason = ERR_GET_LIB(code) == ERR_LIB_CMS ? ERR_GET_REASON(code) : 0;
  if (reason == CMS_R_SIGNER_CERTIFICATE_NOT_FOUND)
    return {AuthResult::kPermError, "the signer's certificate is not there"};
  if (reason == CMS_R_UNKNOWN_DIGEST_ALGORITHM || reason == CMS_R_UNSUPPORTED_TYPE || reason == CMS_R_NO_CONTENT)
    return {AuthResult::kNeutral, "the signature is of a kind that cannot be processed"};
  return {AuthResult::kFail, "the signature does not match the content"};
}

void check_signed(CMS_ContentInfo* cms, bool detached, std::string_view content,
                  const std::vector<mail::Address>& authors, const Trust& trust, std::int64_t now_s, Evaluation& out) {
  STACK_OF(CMS_SignerInfo)* infos = CMS_get0_SignerInfos(cms);  // the object's own
  const int signers = infos ? sk_CMS_SignerInfo_num(infos) : 0;
  const Certificates others(CMS_get1_certs(cms));
  if (signers == 0) return set(out, AuthResult::kNone, "nobody signed it");
  if (signers > kMaxSigners || (others && sk_X509_num(others.get()) > kMaxCertificates))
    return set(out, AuthResult::kPermError, "too many signers or certificates");
  ASN1_OCTET_STRING** inside = CMS_get0_content(cms);
  if (detached && inside && *inside)
    return set(out, AuthResult::kNeutral, "a detached signature that holds content too");
  if (!detached && !(inside && *inside)) return set(out, AuthResult::kNeutral, "nothing is there that could be signed");
  const Chain octets(detached ? reading(content) : nullptr);
  // CMS_BINARY: the octets as they came. No certificate is judged yet.
  const unsigned flags = CMS_BINARY | CMS_NO_SIGNER_CERT_VERIFY;
  if (CMS_verify(cms, nullptr, nullptr, octets.get(), nullptr, flags) != 1) {
    const Word word = why_not();
    const Borrowed known(CMS_get0_signers(cms));
    if (known && sk_X509_num(known.get()) > 0) tell_signer(sk_X509_value(known.get(), 0), authors, out);
    return set(out, word.result, word.reason);
  }
  // All signatures hold; the best signer speaks.
  Evaluation best;
  for (int i = 0; i < signers; ++i) {
    Evaluation one;
    const Word word = check_signer(sk_CMS_SignerInfo_value(infos, i), others.get(), authors, trust, now_s, one);
    set(one, word.result, word.reason.empty() ? "good signature of the author" : word.reason);
    if (i == 0 || one.result == AuthResult::kPass) best = one;
    if (one.result == AuthResult::kPass) break;
  }
  best.part = out.part;
  out = best;
}

}  // namespace

void check_cms(std::string_view octets, bool detached, std::string_view content,
               const std::vector<mail::Address>& authors, const Trust& trust, std::int64_t now_s, Evaluation& out) {
  ERR_clear_error();
  const Bio source = memory(octets);
  const Cms cms(source ? d2i_CMS_bio(source.get(), nullptr) : nullptr);
  if (!cms) {
    set(out, AuthResult::kNeutral, "the signature is no CMS object");
  } else if (OBJ_obj2nid(CMS_get0_type(cms.get())) != NID_pkcs7_signed) {
    // Not called signed-data but found to be encrypted: none of our business.
    if (detached) set(out, AuthResult::kNeutral, "the signature holds no signed data");
  } else if (BIO_pending(source.get()) > 0) {
    set(out, AuthResult::kNeutral, "octets follow the signature");
  } else {
    check_signed(cms.get(), detached, content, authors, trust, now_s, out);
  }
  ERR_clear_error();
}

core::Result<std::shared_ptr<const Trust>, std::string> Trust::load(const std::string& ca_file) {
  ERR_clear_error();
  const Bio file(BIO_new_file(ca_file.c_str(), "r"));
  if (!file) return core::error(ca_file + " cannot be read");
  std::shared_ptr<const Trust> trust(new Trust(X509_STORE_new()));
  int count = 0;
  while (X509* ca = PEM_read_bio_X509(file.get(), nullptr, nullptr, nullptr)) {
    count += X509_STORE_add_cert(trust->store_, ca) == 1;
    X509_free(ca);
  }
  const bool broken = ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (count == 0) return core::error(ca_file + " holds no certificate (PEM, BEGIN CERTIFICATE)");
  if (broken)
    return core::error(ca_file + ": the certificate after number " + std::to_string(count) + " cannot be read");
  return trust;
}

std::shared_ptr<const Trust> Trust::none() { return std::shared_ptr<const Trust>(new Trust(X509_STORE_new())); }

Trust::~Trust() { X509_STORE_free(store_); }

}  // namespace sekisho::smime
