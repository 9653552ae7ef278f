#include "base/io/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <cerrno>

#include "base/core/ip_address.h"
#include "base/io/keychain.h"
#include "base/io/pins.h"
#include "base/io/tls_context.h"

namespace sekisho::io {
namespace {
// A record takes two reads, so one call takes in 32; so many calls without a single octet of data are an attack.
constexpr unsigned kReadsAtOnce = 64, kBarrenCalls = 32;

std::shared_ptr<const TlsBundle> client_bundle(int verify) {
  auto bundle = std::make_shared<TlsBundle>();
  bundle->contexts.push_back(make_context(Side::kClient, TlsVersion::k12));
  SSL_CTX_set_verify(bundle->contexts.front().get(), verify, nullptr);
  return bundle;
}
}  // namespace

TlsContext::TlsContext() : impl_(std::make_unique<Impl>()) {}
TlsContext::~TlsContext() = default;

core::Result<std::shared_ptr<TlsContext>, std::string> TlsContext::server(const std::string& certificate_file,
                                                                          const std::string& key_file) {
  std::vector<CertificateFiles> pairs{{certificate_file, key_file}};
  auto chain = Keychain::open(std::move(pairs));
  if (!chain) return core::error(chain.error().front().what.text());
  return (*chain)->context();
}

std::shared_ptr<TlsContext> TlsContext::client() {
  std::shared_ptr<TlsContext> out(new TlsContext);
  out->impl_->set(client_bundle(SSL_VERIFY_NONE));
  return out;
}

core::Result<std::shared_ptr<TlsContext>, std::string> TlsContext::verifying_client(const std::string& ca_file) {
  ERR_clear_error();
  auto bundle = client_bundle(SSL_VERIFY_PEER);
  SSL_CTX* context = bundle->contexts.front().get();
  const int loaded =
      ca_file.empty() ? SSL_CTX_set_default_verify_paths(context) : SSL_CTX_load_verify_file(context, ca_file.c_str());
  if (loaded != 1)
    return core::error((ca_file.empty() ? std::string("system certificates") : ca_file) + ": " + openssl_reason());
  std::shared_ptr<TlsContext> out(new TlsContext);
  out->impl_->set(std::move(bundle));
  return out;
}

std::shared_ptr<TlsContext> pinned_client(std::vector<std::string> key_sha256) {
  auto bundle = client_bundle(SSL_VERIFY_PEER);
  if (SSL_CTX_dane_enable(bundle->contexts.front().get()) != 1) std::terminate();
  auto out = TlsContext::client();
  out->impl().pins = std::move(key_sha256);
  out->impl().set(std::move(bundle));
  return out;
}

std::unique_ptr<TlsSession> TlsSession::make(TlsContext& context, int fd) {
  auto bundle = context.impl().get();
  SSL* ssl = SSL_new(bundle->contexts.front().get());
  if (!ssl) return nullptr;
  std::unique_ptr<TlsSession> session(new TlsSession(std::move(bundle), ssl));
  session->wire_.fd = fd;
  BIO* bio = make_bio(session->wire_);
  if (!bio) return nullptr;
  SSL_set_bio(ssl, bio, bio);
  return session;
}

std::unique_ptr<TlsSession> TlsSession::server(TlsContext& context, int fd) {
  auto session = make(context, fd);
  if (session) SSL_set_accept_state(session->ssl_);
  return session;
}

bool TlsSession::expect_name(const std::string& server_name) {
  // RFC 6066 section 3: literal addresses are not permitted in SNI.
  if (core::IpAddress::parse(server_name))
    return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_), server_name.c_str()) == 1;
  return SSL_set_tlsext_host_name(ssl_, server_name.c_str()) == 1 && SSL_set1_host(ssl_, server_name.c_str()) == 1;
}

bool TlsSession::expect_pins(const TlsContext::Impl& context, const std::string& server_name) {
  constexpr std::uint8_t kEndEntity = 3, kPublicKey = 1, kSha256 = 1;  // RFC 6698 section 2.1
  // The key is the proof; a name is only asked for.
  if (SSL_dane_enable(ssl_, server_name.empty() ? "pinned" : server_name.c_str()) != 1) return false;
  SSL_dane_set_flags(ssl_, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
  if (server_name.empty() || core::IpAddress::parse(server_name)) SSL_set_tlsext_host_name(ssl_, nullptr);
  for (const auto& pin : context.pins)
    if (SSL_dane_tlsa_add(ssl_, kEndEntity, kPublicKey, kSha256, reinterpret_cast<const unsigned char*>(pin.data()),
                          pin.size()) != 1)
      return false;
  return true;
}

std::unique_ptr<TlsSession> TlsSession::client(TlsContext& context, int fd, const std::string& server_name) {
  auto session = make(context, fd);
  if (!session) return nullptr;
  SSL_set_connect_state(session->ssl_);
  const TlsContext::Impl& impl = context.impl();
  const bool ready = impl.pins.empty() ? server_name.empty() || session->expect_name(server_name)
                                       : session->expect_pins(impl, server_name);
  return ready ? std::move(session) : nullptr;
}

TlsSession::~TlsSession() { SSL_free(ssl_); }

void TlsSession::begin() {
  ERR_clear_error();
  errno = 0;
  wire_.reads_left = kReadsAtOnce;
  wire_.starved = false;
}

Step TlsSession::judge(int result) {
  const int saved = errno;
  switch (SSL_get_error(ssl_, result)) {
    case SSL_ERROR_WANT_READ:
      if (!wire_.starved) return barren_ = 0, Step::wait(Source::Want::kRead);
      if (++barren_ <= kBarrenCalls) return Step::again();
      broken_ = true;
      error_ = "too many records without data";
      return Step::failed(IoError::kTls);
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
  begin();
  const int result = SSL_do_handshake(ssl_);
  return result == 1 ? Step::done(0) : judge(result);
}
Step TlsSession::read(std::span<char> into) {
  begin();
  std::size_t count = 0;
  const int result = SSL_read_ex(ssl_, into.data(), into.size(), &count);
  if (result == 1) barren_ = 0;
  return result == 1 ? Step::done(count) : judge(result);
}
Step TlsSession::write(std::string_view octets) {
  begin();
  std::size_t count = 0;
  const int result = SSL_write_ex(ssl_, octets.data(), octets.size(), &count);
  return result == 1 ? Step::done(count) : judge(result);
}

// A raw octet on the descriptor proves nothing: it may be a session ticket (RFC 8446 section 4.6.1). Peeking consumes
// those.
bool TlsSession::pending() {
  if (broken_) return true;
  begin();
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
