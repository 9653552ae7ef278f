#pragma once
// Inner header: one TLS session on a descriptor. No call waits: what it would wait for is told in the Step.
#include <memory>

#include "base/io/reactor.h"

struct ssl_st;

namespace sekisho::io {

// What one attempt on a descriptor did.
struct Step {
  enum class Kind : std::uint8_t { kDone, kWait, kFailed } kind;
  std::size_t count = 0;                    // kDone
  Source::Want want = Source::Want::kRead;  // kWait
  IoError error = IoError::kOther;          // kFailed
  static Step done(std::size_t n) { return {Kind::kDone, n}; }
  static Step wait(Source::Want what) { return {Kind::kWait, 0, what}; }
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
  explicit TlsSession(ssl_st* ssl) : ssl_(ssl) {}
  Step judge(int result);
  ssl_st* ssl_;
  bool broken_ = false;
  std::string error_;
};

}  // namespace sekisho::io
