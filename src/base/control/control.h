#pragma once
// The CLI talks to a running serve over a Unix socket (mode 0600): one request, one answer, then the connection ends.
// A frame is a 4-octet big-endian length and that many octets; at most 64 MiB. What is inside (JSON) is cmd's matter.
#include <functional>
#include <memory>
#include <string>

#include "base/core/result.h"
#include "base/core/task.h"
#include "base/io/io.h"

namespace sekisho::control {

using Handler = std::function<core::Task<std::string>(std::string request)>;

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

}  // namespace sekisho::control
