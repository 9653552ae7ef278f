#pragma once
// Inner header: the keys that seal session tickets (RFC 5077, RFC 8446 section 4.6.1). They live in memory only, one
// for all our gates; a key seals for an hour, opens for an hour more and is then overwritten, so what was recorded on
// the wire stays closed. Thread-safe.
#include <openssl/ssl.h>

#include <array>
#include <cstdint>
#include <mutex>
#include <optional>

namespace sekisho::io {

class TicketKeys {
 public:
  static constexpr std::int64_t kSealMs = 3'600'000;
  struct Key {
    std::array<unsigned char, 16> name{};
    std::array<unsigned char, 32> cipher{}, mac{};
    std::int64_t made_ms = 0;
  };
  ~TicketKeys() { forget(); }
  Key sealing(std::int64_t now_ms);
  // fresh: still the one that seals.
  std::optional<Key> opening(const unsigned char* name, std::int64_t now_ms, bool& fresh);
  void forget();  // no ticket given so far opens again

 private:
  void age(std::int64_t now_ms);
  std::mutex lock_;
  std::optional<Key> current_, previous_;
};

TicketKeys& ticket_keys();
void use_ticket_keys(SSL_CTX* context);

}  // namespace sekisho::io
