#include "base/io/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509err.h>

#include <cerrno>
#include <system_error>

#include "base/core/ip_address.h"

namespace sekisho::io {
namespace {
using ContextPtr = std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)>;

std::string openssl_reason() {
  const unsigned long first = ERR_peek_error(), code = ERR_peek_last_error();
  ERR_clear_error();
  // A file that cannot be opened is told first, then only "system lib".
  if (ERR_SYSTEM_ERROR(first)) return std::generic_category().message(ERR_GET_REASON(first));
  const char* reason = code ? ERR_reason_error_string(code) : nullptr;
  return reason ? reason : "unknown TLS error";
}

ContextPtr make_context(const SSL_METHOD* method) {
  ContextPtr context(SSL_CTX_new(method), SSL_CTX_free);
  if (!context) std::terminate();                                // OpenSSL itself is unusable: the process cannot start
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);  // RFC 8996
  SSL_CTX_set_mode(context.get(),
                   SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  // A bare TCP end is an end: SMTP marks the end of a message itself, so truncation cannot pass for a message.
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF |
                                         SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  return context;
}
}  // namespace

struct TlsContext::Impl {
  ContextPtr context;
};
TlsContext::TlsContext() = default;
TlsContext::~TlsContext() = default;

core::Result<std::shared_ptr<TlsContext>, std::string> TlsContext::server(const std::string& certificate_file,
                                                                          const std::string& key_file) {
  ERR_clear_error();
  auto context = make_context(TLS_server_method());
  if (SSL_CTX_use_certificate_chain_file(context.get(), certificate_file.c_str()) != 1)
    return core::error(certificate_file + ": " + openssl_reason());
  const bool read = SSL_CTX_use_PrivateKey_file(context.get(), key_file.c_str(), SSL_FILETYPE_PEM) == 1;
  const unsigned long fault = ERR_peek_last_error();
  const bool mismatch = ERR_GET_LIB(fault) == ERR_LIB_X509 && ERR_GET_REASON(fault) == X509_R_KEY_VALUES_MISMATCH;
  if (!read && !mismatch) return core::error(key_file + ": " + openssl_reason());
  if (mismatch || SSL_CTX_check_private_key(context.get()) != 1) {
    ERR_clear_error();
    return core::error(key_file + ": key does not match certificate " + certificate_file);
  }
  static constexpr unsigned char kSessionContext[] = "sekisho";
  SSL_CTX_set_session_id_context(context.get(), kSessionContext, sizeof kSessionContext - 1);
  SSL_CTX_set_num_tickets(context.get(), 1);
  std::shared_ptr<TlsContext> out(new TlsContext);
  out->impl_.reset(new Impl{std::move(context)});
  return out;
}

std::shared_ptr<TlsContext> TlsContext::client() {
  auto context = make_context(TLS_client_method());
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_NONE, nullptr);
  std::shared_ptr<TlsContext> out(new TlsContext);
  out->impl_.reset(new Impl{std::move(context)});
  return out;
}

core::Result<std::shared_ptr<TlsContext>, std::string> TlsContext::verifying_client(const std::string& ca_file) {
  ERR_clear_error();
  auto context = make_context(TLS_client_method());
  const int loaded = ca_file.empty() ? SSL_CTX_set_default_verify_paths(context.get())
                                     : SSL_CTX_load_verify_file(context.get(), ca_file.c_str());
  if (loaded != 1)
    return core::error((ca_file.empty() ? std::string("system certificates") : ca_file) + ": " + openssl_reason());
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  std::shared_ptr<TlsContext> out(new TlsContext);
  out->impl_.reset(new Impl{std::move(context)});
  return out;
}

std::unique_ptr<TlsSession> TlsSession::server(TlsContext& context, int fd) {
  SSL* ssl = SSL_new(context.impl().context.get());
  if (!ssl) return nullptr;
  std::unique_ptr<TlsSession> session(new TlsSession(ssl));
  if (SSL_set_fd(ssl, fd) != 1) return nullptr;
  SSL_set_accept_state(ssl);
  return session;
}

std::unique_ptr<TlsSession> TlsSession::client(TlsContext& context, int fd, const std::string& server_name) {
  SSL* ssl = SSL_new(context.impl().context.get());
  if (!ssl) return nullptr;
  std::unique_ptr<TlsSession> session(new TlsSession(ssl));
  if (SSL_set_fd(ssl, fd) != 1) return nullptr;
  SSL_set_connect_state(ssl);
  if (server_name.empty()) return session;
  if (core::IpAddress::parse(server_name)) {
    // RFC 6066 section 3: literal addresses are not permitted in SNI.
    if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), server_name.c_str()) != 1) return nullptr;
  } else if (SSL_set_tlsext_host_name(ssl, server_name.c_str()) != 1 || SSL_set1_host(ssl, server_name.c_str()) != 1) {
    return nullptr;
  }
  return session;
}

TlsSession::~TlsSession() { SSL_free(ssl_); }

Step TlsSession::judge(int result) {
  const int saved = errno;
  switch (SSL_get_error(ssl_, result)) {
    case SSL_ERROR_WANT_READ:
      return Step::wait(Source::Want::kRead);
    case SSL_ERROR_WANT_WRITE:
      return Step::wait(Source::Want::kWrite);
    case SSL_ERROR_ZERO_RETURN:
      return Step::failed(IoError::kEof);
    case SSL_ERROR_SYSCALL:
      broken_ = true;
      ERR_clear_error();
      return Step::failed(saved == 0 ? IoError::kEof : from_errno(saved));
    default:
      broken_ = true;
      error_ = openssl_reason();
      if (const long verify = SSL_get_verify_result(ssl_); verify != X509_V_OK && !SSL_is_init_finished(ssl_))
        error_ += std::string(": ") + X509_verify_cert_error_string(verify);
      return Step::failed(IoError::kTls);
  }
}

Step TlsSession::handshake() {
  ERR_clear_error();
  errno = 0;
  const int result = SSL_do_handshake(ssl_);
  return result == 1 ? Step::done(0) : judge(result);
}
Step TlsSession::read(std::span<char> into) {
  ERR_clear_error();
  errno = 0;
  std::size_t count = 0;
  const int result = SSL_read_ex(ssl_, into.data(), into.size(), &count);
  return result == 1 ? Step::done(count) : judge(result);
}
Step TlsSession::write(std::string_view octets) {
  ERR_clear_error();
  errno = 0;
  std::size_t count = 0;
  const int result = SSL_write_ex(ssl_, octets.data(), octets.size(), &count);
  return result == 1 ? Step::done(count) : judge(result);
}

// A raw octet on the descriptor proves nothing: it may be a session ticket (RFC 8446 section 4.6.1). Peeking consumes
// those.
bool TlsSession::pending() {
  if (broken_) return true;
  ERR_clear_error();
  errno = 0;
  char octet;
  std::size_t count = 0;
  const int result = SSL_peek_ex(ssl_, &octet, 1, &count);
  return result == 1 || judge(result).kind == Step::Kind::kFailed;
}
bool TlsSession::buffered() const { return SSL_pending(ssl_) > 0; }

void TlsSession::close_notify() {
  // After a fatal error OpenSSL must not be asked for a shutdown; before the end of the handshake there is none.
  if (broken_ || !SSL_is_init_finished(ssl_)) return;
  SSL_shutdown(ssl_);
  ERR_clear_error();
}

TlsFacts TlsSession::facts() const {
  TlsFacts facts;
  facts.version = SSL_get_version(ssl_);
  facts.cipher = SSL_get_cipher_name(ssl_);
  facts.verified = SSL_get_verify_mode(ssl_) != SSL_VERIFY_NONE && SSL_get0_peer_certificate(ssl_) != nullptr &&
                   SSL_get_verify_result(ssl_) == X509_V_OK;
  return facts;
}

}  // namespace sekisho::io
