#pragma once
// A small HTTP/1.1 server on io sockets; Boost.Beast parses, nothing of it shows here. One request a connection at a
// time, keep-alive, bodies up to 64 KiB, 10 s for a request. Meant for loopback: it has no TLS.
#include <functional>
#include <memory>
#include <string>

#include "base/core/result.h"
#include "base/core/task.h"
#include "base/io/io.h"

namespace sekisho::http {

struct Request {
  std::string method, target, body;  // target without the query
  std::string query;                 // after '?', still encoded
};
struct Response {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};
using Handler = std::function<core::Task<Response>(Request)>;

class Server {
 public:
  static core::Result<Server, io::IoError> start(const io::Endpoint& at, Handler handler);
  Server(Server&&) noexcept;
  Server& operator=(Server&&) noexcept;
  ~Server();
  io::Endpoint local() const;
  void stop();

 private:
  struct Impl;
  explicit Server(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace sekisho::http
