#pragma once
// Inner header: what a TlsContext is made of.
#include <atomic>
#include <mutex>
#include <unordered_map>

#include "base/io/certificate_pair.h"
#include "base/io/io.h"
#include "base/io/keychain.h"

namespace sekisho::io {

// Immutable once shared. A session holds the bundle it began with.
struct TlsBundle {
  std::vector<Openssl<SSL_CTX>> contexts;             // the first is the default
  std::unordered_map<std::string, SSL_CTX*> by_name;  // "mx.a.example", "*.a.example"
  bool slow = false;                                  // a signature is too long for a loop
  SSL_CTX* find(std::string_view server_name) const;  // null: nobody has that name
};

struct TlsContext::Impl {
  mutable std::mutex lock;
  std::shared_ptr<const TlsBundle> bundle;
  std::vector<std::string> pins;  // of a client: SHA-256 of the keys that will do
  std::unique_ptr<Pool> pool;     // of a server with a slow key

  std::shared_ptr<const TlsBundle> get() const {
    const std::lock_guard hold(lock);
    return bundle;
  }
  void set(std::shared_ptr<const TlsBundle> next);
  Pool* handshake_pool();
};

enum class Side : std::uint8_t { kServer, kClient };
Openssl<SSL_CTX> make_context(Side side, TlsVersion least);
std::shared_ptr<const TlsBundle> make_bundle(const std::vector<const CertificatePair*>& pairs, TlsVersion least);
// "" or why OpenSSL does not take the pair (its security level).
std::string try_pair(const CertificatePair& pair);

}  // namespace sekisho::io
