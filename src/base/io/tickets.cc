#include "base/io/tickets.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include <cstring>
#include <exception>

#include "base/io/io.h"

namespace sekisho::io {
namespace {
void wipe(std::optional<TicketKeys::Key>& key) {
  if (key) OPENSSL_cleanse(&*key, sizeof *key);
  key.reset();
}

bool use_mac(EVP_MAC_CTX* mac, TicketKeys::Key& key) {
  char digest[] = "SHA256";
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key.mac.data(), key.mac.size()),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_construct_end()};
  return EVP_MAC_CTX_set_params(mac, parameters) == 1;
}

// 1: done, 2: opened, give a new ticket, 0: no such key, a full handshake follows, -1: failed.
int ticket_callback(SSL*, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac, int seal) {
  if (seal == 1) {
    auto key = ticket_keys().sealing(now_ms());
    if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1) return -1;
    std::memcpy(name, key.name.data(), key.name.size());
    const bool good =
        EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), nullptr, key.cipher.data(), iv) == 1 && use_mac(mac, key);
    OPENSSL_cleanse(&key, sizeof key);
    return good ? 1 : -1;
  }
  bool fresh = false;
  auto key = ticket_keys().opening(name, now_ms(), fresh);
  if (!key) return 0;
  const bool good =
      EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), nullptr, key->cipher.data(), iv) == 1 && use_mac(mac, *key);
  wipe(key);
  return good ? (fresh ? 1 : 2) : -1;
}
}  // namespace

void TicketKeys::age(std::int64_t now_ms) {
  if (previous_ && now_ms - previous_->made_ms >= 2 * kSealMs) wipe(previous_);
  if (!current_ || now_ms - current_->made_ms < kSealMs) return;
  wipe(previous_);
  if (now_ms - current_->made_ms < 2 * kSealMs) previous_ = current_;
  wipe(current_);
}

TicketKeys::Key TicketKeys::sealing(std::int64_t now_ms) {
  const std::lock_guard hold(lock_);
  age(now_ms);
  if (!current_) {
    Key made;
    made.made_ms = now_ms;
    const auto fill = [](auto& octets) {
      if (RAND_bytes(octets.data(), static_cast<int>(octets.size())) != 1) std::terminate();  // no keys without chance
    };
    fill(made.name);
    fill(made.cipher);
    fill(made.mac);
    current_ = made;
    OPENSSL_cleanse(&made, sizeof made);
  }
  return *current_;
}

std::optional<TicketKeys::Key> TicketKeys::opening(const unsigned char* name, std::int64_t now_ms, bool& fresh) {
  const std::lock_guard hold(lock_);
  age(now_ms);
  for (const auto* key : {&current_, &previous_}) {
    if (!*key || std::memcmp((*key)->name.data(), name, (*key)->name.size()) != 0) continue;
    fresh = key == &current_;
    return *key;
  }
  return {};
}

void TicketKeys::forget() {
  const std::lock_guard hold(lock_);
  wipe(current_);
  wipe(previous_);
}

TicketKeys& ticket_keys() {
  static TicketKeys keys;
  return keys;
}

void use_ticket_keys(SSL_CTX* context) {
  SSL_CTX_set_tlsext_ticket_key_evp_cb(context, ticket_callback);
  SSL_CTX_set_timeout(context, TicketKeys::kSealMs / 1000);
}

}  // namespace sekisho::io
