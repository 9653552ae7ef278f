#pragma once
// One connection to the next hop: greeting, EHLO or LHLO, STARTTLS, commands and replies. Idle, it holds no buffer.
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/io/io.h"
#include "transfer/reply_parser.h"
#include "transfer/transfer.h"

namespace sekisho::transfer {

struct Failure {
  io::IoError io = io::IoError::kOther;
  smtp::Reply reply;  // 4xx: the next hop's own where it gave one
  // The connection was dead, which tells nothing about the mail: a fresh one may do.
  bool stale() const { return io == io::IoError::kEof || io == io::IoError::kReset || reply.code == 421; }
};
Failure failure(io::IoError error);
Failure protocol_failure(std::string text);

class Session {
 public:
  static core::Task<core::Result<std::unique_ptr<Session>, Failure>> open(const Options& options,
                                                                          std::int64_t until_ms = io::kNoDeadline);

  core::Task<core::Result<void, Failure>> write(std::string_view octets, std::int64_t deadline_ms);
  core::Task<core::Result<smtp::Reply, Failure>> read_reply(std::int64_t deadline_ms);
  // A reply that came although the write failed; nothing when none is there.
  core::Task<std::optional<smtp::Reply>> last_words();
  // The peer closed, or sent what nobody asked for.
  bool stale() const { return socket_.pending(); }
  bool has_unread() const { return !input_.empty() || !parser_.idle(); }  // more than the replies taken so far
  void rest();                                                            // gives the buffer back
  core::Task<void> quit();                                                // says QUIT if that does not wait
  const Capabilities& capabilities() const { return capabilities_; }

  std::int64_t until_ms = io::kNoDeadline;  // no wait is longer, whatever its own deadline
  std::uint64_t uses = 0;
  unsigned refusals = 0;  // of RCPT, for probes
  std::int64_t idle_since_ms = 0;
  bool needs_rset = false;

 private:
  explicit Session(io::Socket socket) : socket_(std::move(socket)) {}
  static core::Task<core::Result<std::unique_ptr<Session>, Failure>> open_once(const Options& options, bool tls,
                                                                               std::int64_t until_ms);
  core::Task<core::Result<void, Failure>> greet(const Options& options);
  core::Task<core::Result<void, Failure>> hello(const Options& options);
  core::Task<core::Result<void, Failure>> secure(const Options& options);
  core::Task<core::Result<smtp::Reply, Failure>> ask(std::string line, std::int64_t timeout_ms);

  io::Socket socket_;
  std::string input_;
  ReplyParser parser_;
  Capabilities capabilities_;
};

// Keywords of RFC 5321 section 4.1.1.1 after the greeting line.
Capabilities parse_capabilities(const smtp::Reply& reply);

}  // namespace sekisho::transfer
