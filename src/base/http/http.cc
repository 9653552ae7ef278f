#include "base/http/http.h"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <list>

#include "base/io/accept.h"

namespace sekisho::http {

namespace beast = boost::beast;

struct Server::Impl {
  io::Listener listener;
  Handler handler;
  bool stopped = false;
};

namespace {
constexpr std::int64_t kRequestMs = 10'000;
using Parser = beast::http::request_parser<beast::http::string_body>;

// Reads one request; false when the peer is gone, too slow, or does not speak HTTP.
core::Task<bool> read_request(io::Socket& socket, std::string& carry, Parser& parser) {
  parser.header_limit(16384);
  parser.body_limit(65536);
  parser.eager(true);
  const std::int64_t deadline = io::now_ms() + kRequestMs;
  char buffer[4096];
  while (!parser.is_done()) {
    if (!carry.empty()) {
      beast::error_code fault;
      const std::size_t used = parser.put(boost::asio::const_buffer(carry.data(), carry.size()), fault);
      carry.erase(0, used);
      if (fault && fault != beast::http::error::need_more) co_return false;
      if (parser.is_done()) break;
      if (!fault && used > 0) continue;
    }
    if (carry.size() > 32768) co_return false;
    const std::span<char> room(buffer);
    auto n = co_await socket.read(room, deadline);
    if (!n) co_return false;
    carry.append(buffer, *n);
  }
  co_return true;
}

std::string format(const Response& response, bool keep) {
  std::string out = "HTTP/1.1 " + std::to_string(response.status) + " " +
                    std::string(beast::http::obsolete_reason(static_cast<beast::http::status>(response.status))) +
                    "\r\n";
  out +=
      "Content-Type: " + response.content_type + "\r\nContent-Length: " + std::to_string(response.body.size()) + "\r\n";
  out += std::string("Connection: ") + (keep ? "keep-alive" : "close") + "\r\nX-Content-Type-Options: nosniff\r\n\r\n";
  return out + response.body;
}

core::Task<void> serve_one(int fd, Handler handler) {
  io::Socket socket(fd);
  std::string carry;
  for (int served = 0; served < 100; ++served) {
    Parser parser;
    const bool complete = co_await read_request(socket, carry, parser);
    if (!complete) co_return;
    const auto& message = parser.get();
    const std::string target(message.target());
    const auto mark = target.find('?');
    Request request{std::string(message.method_string()), target.substr(0, mark), message.body(),
                    mark == std::string::npos ? "" : target.substr(mark + 1)};
    const bool keep = message.keep_alive();
    Response response = co_await handler(std::move(request));
    const std::string octets = format(response, keep);
    auto sent = co_await socket.write(octets, io::now_ms() + kRequestMs);
    if (!sent || !keep) co_return;
  }
}
}  // namespace

Server::Server(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::Server(Server&&) noexcept = default;
Server& Server::operator=(Server&&) noexcept = default;
Server::~Server() {
  if (impl_) stop();
}

core::Result<Server, io::IoError> Server::start(const io::Endpoint& at, Handler handler) {
  auto listener = io::Listener::bind(at);
  if (!listener) return core::error(listener.error());
  std::shared_ptr<Impl> impl(new Impl{std::move(*listener), std::move(handler)});
  io::spawn(io::accept_each(impl, serve_one));
  return Server(std::move(impl));
}

io::Endpoint Server::local() const { return impl_->listener.local(); }

void Server::stop() {
  if (std::exchange(impl_->stopped, true)) return;
  impl_->listener.cancel();
}

}  // namespace sekisho::http
