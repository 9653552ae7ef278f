#pragma once
// Inner header: an SMTP or LMTP client that writes what it is given, octet for octet. Only for probes: mail goes
// through transfer, whose writer cannot make a bare CR or LF.
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/io/io.h"
#include "transfer/transfer.h"

namespace sekisho::doctor {

struct RawReply {
  int code = 0;  // 0: none came
  std::vector<std::string> lines;
  bool closed = false;  // the peer hung up instead
  bool positive() const { return code >= 200 && code < 400; }
  std::string text() const;  // "250 2.0.0 ok", for people
};

class RawClient {
 public:
  static constexpr std::int64_t kReplyMs = 10'000;
  // Connected and greeted, EHLO or LHLO said; null when it did not come so far: failure says why.
  static core::Task<std::unique_ptr<RawClient>> open(transfer::Options options, std::string& failure);
  core::Task<bool> write(std::string_view octets);
  core::Task<RawReply> reply(std::int64_t wait_ms = kReplyMs);
  core::Task<RawReply> say(std::string line);  // with CRLF
  // STARTTLS and EHLO again; "" or what went wrong.
  core::Task<std::string> secure(io::TlsContext& context, std::string name);
  core::Task<void> quit();

  bool offers(std::string_view keyword) const;
  std::string value_of(std::string_view keyword) const;  // "SIZE 1000" -> "1000"
  const std::vector<std::string>& extensions() const { return extensions_; }
  const std::string& greeting() const { return greeting_; }
  std::optional<io::TlsFacts> tls() const { return socket_.tls(); }

 private:
  explicit RawClient(io::Socket socket) : socket_(std::move(socket)) {}
  core::Task<bool> hello();
  std::optional<std::string> take_line();

  io::Socket socket_;
  std::string input_, greeting_, helo_;
  std::vector<std::string> extensions_;
};

}  // namespace sekisho::doctor
