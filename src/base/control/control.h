#pragma once
// The CLI talks to a running serve over a Unix socket (mode 0600): one request, one answer, then the connection ends.
// A frame is a 4-octet big-endian length and that many octets; at most 64 MiB. What is inside (JSON) is cmd's matter.
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/core/result.h"
#include "base/core/task.h"
#include "base/io/io.h"

namespace sekisho::control {

struct Answer {
  Answer(std::string octets) : text(std::move(octets)) {}
  std::string text;
  std::vector<int> descriptors;  // sent along with the text, at most 64; closed here afterwards
  // Gets the connection once the answer has gone out; empty: it is closed.
  std::function<core::Task<void>(io::Socket)> then;
};
using Handler = std::function<core::Task<Answer>(std::string request)>;

class Server {
 public:
  // Binds at once. The caller holds the state lock, so a socket file that is already there belongs to a dead server and
  // is replaced.
  static core::Result<Server, io::IoError> start(const std::string& path, Handler handler);
  Server(Server&&) noexcept;
  Server& operator=(Server&&) noexcept;
  ~Server();
  void stop();  // no new requests; removes the socket file

 private:
  struct Impl;
  explicit Server(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

// kRefused or kOther when no server listens at the path.
core::Task<core::Result<std::string, io::IoError>> ask(std::string path, std::string request, std::int64_t deadline_ms);

// Asks for an answer with descriptors and keeps the connection, so that its end can be waited for: who answered holds
// the other side as long as it lives. Blocks: for a process that has no loop yet.
class Handing {
 public:
  static core::Result<Handing, io::IoError> ask(const std::string& path, const std::string& request,
                                                std::int64_t deadline_ms);
  Handing(Handing&& other) noexcept;
  Handing& operator=(Handing&&) = delete;
  ~Handing();  // closes what was not taken
  const std::string& text() const { return text_; }
  std::vector<int> take_descriptors() { return std::exchange(descriptors_, {}); }
  bool wait_for_end(std::int64_t deadline_ms) const;  // false: the other side still lives

 private:
  Handing() = default;
  core::Result<void, io::IoError> receive(std::int64_t deadline_ms);
  int fd_ = -1;
  std::string text_;
  std::vector<int> descriptors_;
};

}  // namespace sekisho::control
