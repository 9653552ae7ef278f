#include "road/identity/signature/key.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <cstdlib>
#include <unordered_map>

#include "base/core/text.h"

namespace sekisho::signature {
namespace {
constexpr unsigned kMaxRsaBits = 8192;  // a verification of 0.3 ms
constexpr int kMaxExponentBits = 64;
constexpr std::size_t kMaxPem = 64 * 1024;
constexpr std::size_t kCachedKeys = 256;

template <auto Free>
struct Freer {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
using KeyPtr = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, Freer<EVP_PKEY_CTX_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, Freer<EVP_MD_CTX_free>>;
using Number = std::unique_ptr<BIGNUM, Freer<BN_free>>;

const unsigned char* octets(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

const EVP_MD* signing_md(Hash hash) { return hash == Hash::kSha1 ? EVP_sha1() : EVP_sha256(); }

// RFC 6376 section 3.6.1 says RSAPublicKey, its examples and everybody use SubjectPublicKeyInfo (errata 3017).
KeyPtr parse_rsa(std::string_view der) {
  const unsigned char* at = octets(der);
  KeyPtr key(d2i_PUBKEY(nullptr, &at, static_cast<long>(der.size())));
  if (!key) {
    at = octets(der);
    key.reset(d2i_PublicKey(EVP_PKEY_RSA, nullptr, &at, static_cast<long>(der.size())));
  }
  ERR_clear_error();
  if (!key || at != octets(der) + der.size() || EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_RSA) return {};
  return key;
}

// With the exponent 1 every text is its own signature; OpenSSL does not mind.
std::optional<KeyError> refuse_rsa(EVP_PKEY* key) {
  BIGNUM *e = nullptr, *n = nullptr;
  EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &e);
  EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &n);
  const Number exponent(e), modulus(n);
  if (!exponent || !modulus || BN_is_one(e) || !BN_is_odd(e) || !BN_is_odd(n)) return KeyError::kUnusable;
  if (BN_num_bits(e) > kMaxExponentBits || BN_num_bits(n) > static_cast<int>(kMaxRsaBits)) return KeyError::kTooLarge;
  if (BN_cmp(e, n) >= 0) return KeyError::kUnusable;
  return {};
}

// RFC 8032 section 5.1.7 lets points of small order be keys; under one of them a constant signature fits every text,
// and OpenSSL accepts it. These are their y coordinates, also those not reduced; the top bit is the sign of x.
bool has_small_order(std::string_view point) {
  static constexpr std::string_view kOrder8[] = {"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
                                                 "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"};
  std::string y(point);
  y.back() = static_cast<char>(y.back() & 0x7f);
  const auto middle = [&](char octet) { return y.find_first_not_of(octet, 1) >= 31; };
  const auto low = static_cast<unsigned char>(y[0]);
  if (middle('\0') && y.back() == 0) return low <= 1;                         // 0, 1
  if (middle('\xff') && y.back() == 0x7f) return low >= 0xec && low <= 0xee;  // -1, and 0 and 1 plus the prime
  const std::string text = core::hex(y);
  return text == kOrder8[0] || text == kOrder8[1];
}

KeyContext verify_context(EVP_PKEY* key, Hash hash) {
  KeyContext context(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
  if (!context || EVP_PKEY_verify_init(context.get()) <= 0 ||
      EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) <= 0 ||
      EVP_PKEY_CTX_set_signature_md(context.get(), signing_md(hash)) <= 0)
    return {};
  return context;
}
}  // namespace

struct PublicKey::Impl {
  KeyType type;
  KeyPtr key;
  KeyContext contexts[2];  // per hash, made when first needed
};

PublicKey::PublicKey(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
PublicKey::~PublicKey() = default;
KeyType PublicKey::type() const { return impl_->type; }
unsigned PublicKey::bits() const {
  return impl_->type == KeyType::kEd25519 ? 256 : static_cast<unsigned>(EVP_PKEY_get_bits(impl_->key.get()));
}

namespace {
core::Result<std::shared_ptr<PublicKey>, KeyError> parse_key(KeyType type, std::string_view text) {
  const auto der = core::unbase64(text, true);
  if (!der || der->empty()) return core::error(KeyError::kUnusable);
  auto impl = std::make_unique<PublicKey::Impl>();
  impl->type = type;
  if (type == KeyType::kEd25519) {
    // RFC 8463 section 4: the 32 octets of the key, no ASN.1 around them.
    if (der->size() == 32 && !has_small_order(*der))
      impl->key.reset(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, octets(*der), 32));
  } else {
    impl->key = parse_rsa(*der);
  }
  if (!impl->key) return core::error(KeyError::kUnusable);
  if (type == KeyType::kRsa)
    if (const auto refused = refuse_rsa(impl->key.get())) return core::error(*refused);
  return std::make_shared<PublicKey>(std::move(impl));
}

struct Cache {
  std::unordered_map<std::string, std::shared_ptr<PublicKey>> by_text[2];
};
}  // namespace

core::Result<std::shared_ptr<PublicKey>, KeyError> PublicKey::load(KeyType type, std::string_view key) {
  thread_local Cache cache;
  thread_local std::string text;  // keeps its room, so that a hit allocates nothing
  text.assign(key);
  auto& known = cache.by_text[static_cast<int>(type)];
  if (const auto hit = known.find(text); hit != known.end()) return hit->second;
  auto made = parse_key(type, key);
  if (!made) return made;
  if (known.size() >= kCachedKeys) known.erase(known.begin());
  known.emplace(text, *made);
  return made;
}

bool PublicKey::verify(Hash hash, std::string_view digest, std::string_view signature) {
  int rc = 0;
  if (impl_->type == KeyType::kEd25519) {
    const DigestContext context(EVP_MD_CTX_new());
    rc = EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, impl_->key.get());
    if (rc == 1)
      rc = EVP_DigestVerify(context.get(), octets(signature), signature.size(), octets(digest), digest.size());
  } else if (signature.size() == static_cast<std::size_t>(EVP_PKEY_get_size(impl_->key.get()))) {
    auto& context = impl_->contexts[static_cast<int>(hash)];
    if (!context) context = verify_context(impl_->key.get(), hash);
    if (context)
      rc = EVP_PKEY_verify(context.get(), octets(signature), signature.size(), octets(digest), digest.size());
  }
  if (rc != 1) ERR_clear_error();
  return rc == 1;
}

namespace {
EVP_PKEY* raw(const std::shared_ptr<void>& key) { return static_cast<EVP_PKEY*>(key.get()); }
// A key with a passphrase is refused instead of asking at the terminal.
int no_passphrase(char*, int, int, void*) { return -1; }
using Bio = std::unique_ptr<BIO, Freer<BIO_free>>;
std::shared_ptr<void> shared(KeyPtr key) {
  return {key.release(), [](void* p) { EVP_PKEY_free(static_cast<EVP_PKEY*>(p)); }};
}
}  // namespace

core::Result<PrivateKey, PemError> PrivateKey::load(std::string_view pem) {
  if (pem.size() > kMaxPem) return core::error(PemError::kNoKey);
  const Bio in(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  KeyPtr key(in ? PEM_read_bio_PrivateKey(in.get(), nullptr, no_passphrase, nullptr) : nullptr);
  ERR_clear_error();
  if (!key) {
    const auto has = [pem](std::string_view text) { return pem.find(text) != std::string_view::npos; };
    if (has("ENCRYPTED")) return core::error(PemError::kPassphrase);
    if (has("PRIVATE KEY")) return core::error(PemError::kNoKey);
    return core::error(has("BEGIN PUBLIC KEY") || has("BEGIN RSA PUBLIC KEY") || has("BEGIN CERTIFICATE")
                           ? PemError::kPublic
                           : PemError::kNoKey);
  }
  const int type = EVP_PKEY_get_base_id(key.get());
  if (type != EVP_PKEY_ED25519 && type != EVP_PKEY_RSA) return core::error(PemError::kType);
  const int bits = EVP_PKEY_get_bits(key.get());
  if (type == EVP_PKEY_RSA && bits < 1024) return core::error(PemError::kTooSmall);
  if (type == EVP_PKEY_RSA && bits > static_cast<int>(kMaxRsaBits)) return core::error(PemError::kTooLarge);
  PrivateKey out(shared(std::move(key)));
  // A file cut or changed by hand may still parse.
  const std::string record = out.record();
  if (!out.pairs_with(out.type(), std::string_view(record).substr(record.find("p=") + 2)))
    return core::error(PemError::kDamaged);
  return out;
}

bool PrivateKey::pairs_with(KeyType type, std::string_view key) const {
  const std::string probe(32, 'p');
  const auto signature = sign(Hash::kSha256, probe);
  const auto half = PublicKey::load(type, key);
  return signature && half && (*half)->verify(Hash::kSha256, probe, *signature);
}

std::optional<PrivateKey> PrivateKey::from_pem(std::string_view pem) {
  auto key = load(pem);
  if (!key) return {};
  return std::move(*key);
}

PrivateKey PrivateKey::generate(KeyType type, unsigned rsa_bits) {
  KeyPtr key(type == KeyType::kEd25519 ? EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519") : EVP_RSA_gen(rsa_bits));
  if (!key) std::abort();  // no memory or no randomness: nothing sensible can go on
  return PrivateKey(shared(std::move(key)));
}

std::string PrivateKey::pem() const {
  const Bio out(BIO_new(BIO_s_mem()));
  if (!out || PEM_write_bio_PKCS8PrivateKey(out.get(), raw(key_), nullptr, nullptr, 0, nullptr, nullptr) != 1)
    std::abort();
  char* text = nullptr;
  const long size = BIO_get_mem_data(out.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

KeyType PrivateKey::type() const {
  return EVP_PKEY_get_base_id(raw(key_)) == EVP_PKEY_RSA ? KeyType::kRsa : KeyType::kEd25519;
}

unsigned PrivateKey::bits() const {
  return type() == KeyType::kEd25519 ? 256 : static_cast<unsigned>(EVP_PKEY_get_bits(raw(key_)));
}

std::string PrivateKey::record() const {
  if (type() == KeyType::kEd25519) {
    unsigned char out[32];
    std::size_t size = sizeof out;
    EVP_PKEY_get_raw_public_key(raw(key_), out, &size);
    return "v=DKIM1; k=ed25519; p=" + core::base64({reinterpret_cast<char*>(out), size});
  }
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(raw(key_), &der);
  std::string text = core::base64({reinterpret_cast<char*>(der), size > 0 ? static_cast<std::size_t>(size) : 0});
  OPENSSL_free(der);
  return "v=DKIM1; k=rsa; p=" + text;
}

std::optional<std::string> PrivateKey::sign(Hash hash, std::string_view digest) const {
  std::string out(static_cast<std::size_t>(EVP_PKEY_get_size(raw(key_))), '\0');
  auto* buffer = reinterpret_cast<unsigned char*>(out.data());
  std::size_t size = out.size();
  int rc = 0;
  if (type() == KeyType::kEd25519) {
    const DigestContext context(EVP_MD_CTX_new());
    rc = EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, raw(key_));
    if (rc == 1) rc = EVP_DigestSign(context.get(), buffer, &size, octets(digest), digest.size());
  } else {
    const KeyContext context(EVP_PKEY_CTX_new_from_pkey(nullptr, raw(key_), nullptr));
    if (context && EVP_PKEY_sign_init(context.get()) > 0 &&
        EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) > 0 &&
        EVP_PKEY_CTX_set_signature_md(context.get(), signing_md(hash)) > 0)
      rc = EVP_PKEY_sign(context.get(), buffer, &size, octets(digest), digest.size());
  }
  ERR_clear_error();
  if (rc != 1) return {};
  out.resize(size);
  return out;
}

}  // namespace sekisho::signature
