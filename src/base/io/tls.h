#pragma once
// Inner header: one TLS session on a descriptor. No call waits: what it would wait for is told in the Step.
#include <memory>

#include "base/io/reactor.h"
#include "base/io/tls_bio.h"

struct ssl_st;

namespace sekisho::io {

struct TlsBundle;

// What one attempt on a descriptor did.
struct Step {
  enum class Kind : std::uint8_t { kDone, kWait, kAgain, kFailed } kind;
  std::size_t count = 0;                    // kDone
  Source::Want want = Source::Want::kRead;  // kWait
  IoError error = IoError::kOther;          // kFailed
  static Step done(std::size_t n) { return {Kind::kDone, n}; }
  static Step wait(Source::Want what) { return {Kind::kWait, 0, what}; }
  static Step again() { return {Kind::kAgain}; }  // more is there, others first
  static Step failed(IoError e) { return {Kind::kFailed, 0, Source::Want::kRead, e}; }
};

class TlsSession {
 public:
  // Null when OpenSSL refuses the name or has no memory.
  static std::unique_ptr<TlsSession> server(TlsContext& context, int fd);
  static std::unique_ptr<TlsSession> client(TlsContext& context, int fd, const std::string& server_name);
  ~TlsSession();
  Step handshake();
  Step read(std::span<char> into);
  Step write(std::string_view octets);
  bool pending();  // application octets, an end or an error are there
  bool buffered() const;
  void close_notify();
  TlsFacts facts() const;
  const std::string& error_text() const { return error_; }

 private:
  TlsSession(std::shared_ptr<const TlsBundle> bundle, ssl_st* ssl) : bundle_(std::move(bundle)), ssl_(ssl) {}
  static std::unique_ptr<TlsSession> make(TlsContext& context, int fd);
  bool expect_name(const std::string& server_name);
  bool expect_pins(const TlsContext::Impl& context, const std::string& server_name);
  void begin();
  Step judge(int result);
  TlsWire wire_;
  unsigned barren_ = 0;                      // calls in a row that ended at the wire's limit
  std::shared_ptr<const TlsBundle> bundle_;  // the certificates this session began with
  ssl_st* ssl_;
  bool broken_ = false;
  std::string error_;
};

}  // namespace sekisho::io
