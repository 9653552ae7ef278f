#include "base/control/control.h"

#include <unistd.h>

#include "base/control/frame.h"
#include "base/io/accept.h"

namespace sekisho::control {

namespace {
constexpr std::int64_t kRequestMs = 60'000;

core::Task<core::Result<std::string, io::IoError>> read_exactly(io::Socket& socket, std::size_t size,
                                                                std::int64_t deadline) {
  std::string out;
  char buffer[16384];
  while (out.size() < size) {
    const std::span<char> room(buffer, std::min(sizeof buffer, size - out.size()));
    auto n = co_await socket.read(room, deadline);
    if (!n) co_return core::error(n.error());
    out.append(buffer, *n);
  }
  co_return out;
}

core::Task<core::Result<std::string, io::IoError>> read_frame(io::Socket& socket, std::int64_t deadline) {
  auto head = co_await read_exactly(socket, 4, deadline);
  if (!head) co_return core::error(head.error());
  std::size_t size = 0;
  for (unsigned char c : *head) size = size << 8 | c;
  if (size > kMaxFrame) co_return core::error(io::IoError::kLimit);
  co_return co_await read_exactly(socket, size, deadline);
}
}  // namespace

struct Server::Impl {
  io::Listener listener;
  Handler handler;
  std::string path;
  bool stopped = false;
};

namespace {
core::Task<void> serve_one(int fd, Handler handler) {
  io::Socket socket(fd);
  auto request = co_await read_frame(socket, io::now_ms() + kRequestMs);
  if (!request) co_return;
  Answer answer = co_await handler(std::move(*request));
  const std::string octets = frame(answer.text);
  // The descriptors go with the first octets, or not at all. The socket is new, so they fit.
  const std::size_t gone = answer.descriptors.empty() ? 0 : send_descriptors(socket.fd(), octets, answer.descriptors);
  for (const int descriptor : answer.descriptors) ::close(descriptor);
  const std::string_view rest = std::string_view(octets).substr(gone);
  auto sent = co_await socket.write(rest, io::now_ms() + kRequestMs);
  (void)sent;  // the asker may have gone; nothing to tell anybody
  if (answer.then) co_await answer.then(std::move(socket));
}
}  // namespace

Server::Server(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::Server(Server&&) noexcept = default;
Server& Server::operator=(Server&&) noexcept = default;
Server::~Server() {
  if (impl_) stop();
}

core::Result<Server, io::IoError> Server::start(const std::string& path, Handler handler) {
  // The caller holds the state lock, so a socket file that is still here belongs to a dead server.
  ::unlink(path.c_str());
  auto listener = io::Listener::bind_unix(path, 0600);
  if (!listener) return core::error(listener.error());
  std::shared_ptr<Impl> impl(new Impl{std::move(*listener), std::move(handler), path});
  io::spawn(io::accept_each(impl, serve_one));
  return Server(std::move(impl));
}

void Server::stop() {
  if (std::exchange(impl_->stopped, true)) return;
  impl_->listener.cancel();
  ::unlink(impl_->path.c_str());
}

core::Task<core::Result<std::string, io::IoError>> ask(std::string path, std::string request,
                                                       std::int64_t deadline_ms) {
  auto socket = co_await io::Socket::connect_unix(path, deadline_ms);
  if (!socket) co_return core::error(socket.error());
  const std::string octets = frame(request);
  auto sent = co_await socket->write(octets, deadline_ms);
  if (!sent) co_return core::error(sent.error());
  co_return co_await read_frame(*socket, deadline_ms);
}

}  // namespace sekisho::control
