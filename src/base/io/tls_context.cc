#include "base/io/tls_context.h"

#include <openssl/err.h>

#include <algorithm>
#include <map>

#include "base/core/text.h"
#include "base/io/tickets.h"

namespace sekisho::io {
namespace {
// RFC 9325 section 4.2: forward secrecy always, AEAD first. CBC with SHA-2 stays last for senders that would otherwise
// fall back to clear text (RFC 7435).
constexpr const char* kCiphers =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-CHACHA20-POLY1305:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES256-SHA384:ECDHE-RSA-AES128-SHA256:ECDHE-RSA-AES256-SHA384";
// P-384 is left out: OpenSSL 3.0 takes 1.4 ms for it, a client's choice must not cost that.
constexpr const char* kGroups = "X25519:P-256:X448:P-521";

int choose_certificate(SSL* ssl, int*, void* bundle) {
  const char* asked = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  if (!asked) return SSL_TLSEXT_ERR_NOACK;
  SSL_CTX* found = static_cast<const TlsBundle*>(bundle)->find(asked);
  // RFC 6066 section 3: an unknown name may be served with the default; in mail that is what helps.
  if (!found) return SSL_TLSEXT_ERR_NOACK;
  SSL_set_SSL_CTX(ssl, found);
  return SSL_TLSEXT_ERR_OK;
}

bool add_pair(SSL_CTX* context, const CertificatePair& pair) {
  STACK_OF(X509)* chain = sk_X509_new_null();
  for (const auto& each : pair.chain) sk_X509_push(chain, each.get());
  const bool taken = SSL_CTX_use_cert_and_key(context, pair.leaf.get(), pair.key.get(), chain, 1) == 1;
  sk_X509_free(chain);
  return taken;
}

Openssl<SSL_CTX> make_server(TlsVersion least) {
  auto context = make_context(Side::kServer, least);
  static constexpr unsigned char kSessionContext[] = "sekisho";
  SSL_CTX_set_session_id_context(context.get(), kSessionContext, sizeof kSessionContext - 1);
  SSL_CTX_set_num_tickets(context.get(), 1);
  use_ticket_keys(context.get());
  return context;
}

using Places = std::vector<std::size_t>;

// The pairs that serve a name: exact ones before wildcards, one of each key type.
Places serving(const std::string& name, const std::vector<const CertificatePair*>& pairs) {
  Places out;
  const auto take = [&](std::size_t i) {
    const auto same_type = [&](std::size_t other) { return pairs[other]->facts.key_type == pairs[i]->facts.key_type; };
    if (std::none_of(out.begin(), out.end(), same_type)) out.push_back(i);
  };
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const auto& names = pairs[i]->facts.names;
    if (std::find(names.begin(), names.end(), name) != names.end()) take(i);
  }
  for (std::size_t i = 0; i < pairs.size(); ++i)
    if (pairs[i]->facts.covers(name)) take(i);
  return out;
}
}  // namespace

SSL_CTX* TlsBundle::find(std::string_view server_name) const {
  std::string name = core::to_lower(server_name);
  if (name.ends_with('.')) name.pop_back();
  auto found = by_name.find(name);
  if (found == by_name.end()) {
    const auto dot = name.find('.');
    if (dot == std::string::npos || dot == 0) return nullptr;
    found = by_name.find("*" + name.substr(dot));
  }
  return found == by_name.end() ? nullptr : found->second;
}

void TlsContext::Impl::set(std::shared_ptr<const TlsBundle> next) {
  const std::lock_guard hold(lock);
  // Made once and kept: a session may be using it.
  if (next->slow && !pool) pool = std::make_unique<Pool>(2);
  bundle = std::move(next);
}

Pool* TlsContext::Impl::handshake_pool() {
  const std::lock_guard hold(lock);
  return bundle->slow ? pool.get() : nullptr;
}

Openssl<SSL_CTX> make_context(Side side, TlsVersion least) {
  Openssl<SSL_CTX> context(SSL_CTX_new(side == Side::kServer ? TLS_server_method() : TLS_client_method()));
  if (!context) std::terminate();  // OpenSSL itself is unusable: the process cannot start
  SSL_CTX_set_min_proto_version(context.get(),
                                least == TlsVersion::k13 ? TLS1_3_VERSION : TLS1_2_VERSION);  // RFC 8996
  SSL_CTX_set_mode(context.get(),
                   SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  // A bare TCP end is an end: SMTP marks the end of a message itself, so truncation cannot pass for a message.
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF |
                                         SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  if (side == Side::kServer &&
      (SSL_CTX_set_cipher_list(context.get(), kCiphers) != 1 || SSL_CTX_set1_groups_list(context.get(), kGroups) != 1))
    std::terminate();
  return context;
}

std::string try_pair(const CertificatePair& pair) {
  ERR_clear_error();
  const auto context = make_context(Side::kServer, TlsVersion::k12);
  return add_pair(context.get(), pair) ? std::string() : openssl_reason();
}

std::shared_ptr<const TlsBundle> make_bundle(const std::vector<const CertificatePair*>& pairs, TlsVersion least) {
  auto bundle = std::make_shared<TlsBundle>();
  std::map<Places, SSL_CTX*> made;
  const auto context_for = [&](const Places& places) {
    SSL_CTX*& context = made[places];
    if (context) return context;
    bundle->contexts.push_back(make_server(least));
    context = bundle->contexts.back().get();
    for (const std::size_t i : places) add_pair(context, *pairs[i]);
    return context;
  };
  const auto& first = pairs.front()->facts.names;
  Places standard = first.empty() ? Places{0} : serving(first.front(), pairs);
  SSL_CTX* fallback = context_for(standard);
  for (const CertificatePair* pair : pairs) {
    bundle->slow = bundle->slow || pair->facts.slow;
    for (const auto& name : pair->facts.names)
      if (!bundle->by_name.contains(name)) bundle->by_name.emplace(name, context_for(serving(name, pairs)));
  }
  SSL_CTX_set_tlsext_servername_callback(fallback, choose_certificate);
  SSL_CTX_set_tlsext_servername_arg(fallback, bundle.get());
  return bundle;
}

}  // namespace sekisho::io
