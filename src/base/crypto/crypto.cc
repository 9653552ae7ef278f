#include "base/crypto/crypto.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <cstdlib>
#include <memory>

namespace sekisho::crypto {
namespace {

const unsigned char* bytes(std::string_view octets) { return reinterpret_cast<const unsigned char*>(octets.data()); }

void must(bool done) {
  if (!done) std::abort();
}

constexpr std::size_t kBlock = 16;
constexpr std::size_t kIvMin = 8;

Digest synthetic_iv(std::string_view master, std::string_view associated, std::string_view plain) {
  std::string input;
  input.reserve(8 + associated.size() + plain.size());
  for (int shift = 56; shift >= 0; shift -= 8)
    input += static_cast<char>(static_cast<std::uint64_t>(associated.size()) >> shift & 0xff);
  input += associated;
  input += plain;
  const Digest key = derive_key(master, "synthetic iv");
  return hmac_sha256(view(key), input);
}

std::string counter_mode(std::string_view master, std::string_view iv, std::string_view text) {
  const Digest key = derive_key(master, "encryption");
  std::array<unsigned char, kBlock> start{};
  std::copy(iv.begin(), iv.end(), start.begin());
  start[kBlock - 4] &= 0x7f;  // as in RFC 5297: 2^31 blocks without a carry out of the low word
  std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> context(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
  std::string out(text.size(), '\0');
  int written = 0;
  must(context && EVP_EncryptInit_ex(context.get(), EVP_aes_256_ctr(), nullptr, key.data(), start.data()) == 1);
  must(EVP_EncryptUpdate(context.get(), reinterpret_cast<unsigned char*>(out.data()), &written, bytes(text),
                         static_cast<int>(text.size())) == 1);
  must(written == static_cast<int>(text.size()));
  return out;
}

}  // namespace

std::string_view view(const Digest& digest) { return {reinterpret_cast<const char*>(digest.data()), digest.size()}; }

Digest sha256(std::string_view octets) {
  // Fetched once: to look it up for each use costs more than to hash a line.
  static EVP_MD* const fetched = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  Digest digest;
  unsigned size = 0;
  must(EVP_Digest(octets.data(), octets.size(), digest.data(), &size, fetched, nullptr) == 1);
  return digest;
}

Digest hmac_sha256(std::string_view key, std::string_view octets) {
  Digest digest;
  unsigned size = 0;
  must(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), bytes(octets), octets.size(), digest.data(),
            &size) != nullptr);
  return digest;
}

std::array<std::uint8_t, 20> hmac_sha1(std::string_view key, std::string_view octets) {
  std::array<std::uint8_t, 20> digest;
  unsigned size = 0;
  must(HMAC(EVP_sha1(), key.data(), static_cast<int>(key.size()), bytes(octets), octets.size(), digest.data(), &size) !=
       nullptr);
  return digest;
}

Digest derive_key(std::string_view master, std::string_view label) { return hmac_sha256(master, label); }

bool equal(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

void wipe(std::string& secret) {
  OPENSSL_cleanse(secret.data(), secret.size());
  secret.clear();
}

std::string seal_synthetic(std::string_view master, std::string_view associated, std::string_view plain,
                           std::size_t iv_size) {
  must(iv_size >= kIvMin && iv_size <= kBlock && plain.size() < (1u << 30));
  const Digest full = synthetic_iv(master, associated, plain);
  const std::string_view iv = view(full).substr(0, iv_size);
  return std::string(iv) + counter_mode(master, iv, plain);
}

std::optional<std::string> open_synthetic(std::string_view master, std::string_view associated, std::string_view sealed,
                                          std::size_t iv_size) {
  must(iv_size >= kIvMin && iv_size <= kBlock);
  if (sealed.size() < iv_size || sealed.size() - iv_size >= (1u << 30)) return std::nullopt;
  const std::string_view iv = sealed.substr(0, iv_size);
  std::string plain = counter_mode(master, iv, sealed.substr(iv_size));
  const Digest full = synthetic_iv(master, associated, plain);
  if (!equal(view(full).substr(0, iv_size), iv)) {
    wipe(plain);
    return std::nullopt;
  }
  return plain;
}

}  // namespace sekisho::crypto
