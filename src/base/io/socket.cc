#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/io/address.h"
#include "base/io/io.h"
#include "base/io/reactor.h"
#include "base/io/tls.h"
#include "base/io/tls_context.h"

namespace sekisho::io {

struct Socket::Impl {
  Source source;
  std::unique_ptr<TlsSession> tls;
  bool ended = false;  // the peer's end was read

  explicit Impl(int fd) : source(fd) {}
  ~Impl() { close(); }
  bool open() const { return source.fd() >= 0; }

  Step read(std::span<char> into) {
    if (tls) return tls->read(into);
    const ssize_t n = ::recv(source.fd(), into.data(), into.size(), MSG_DONTWAIT);
    if (n > 0) {
      // A short read of a stream has taken all there was (epoll(7)).
      if (static_cast<std::size_t>(n) < into.size()) source.drained();
      return Step::done(static_cast<std::size_t>(n));
    }
    if (n == 0) return ended = true, Step::failed(IoError::kEof);
    return would_wait(Source::Want::kRead);
  }
  // What the loop has not been told is not there yet; only a mere try asks the kernel again.
  bool must_wait(std::int64_t deadline_ms) const {
    return !tls && !source.may_read() && (deadline_ms == kNoDeadline || deadline_ms > now_ms());
  }
  Step write(std::string_view octets) {
    if (tls) return tls->write(octets);
    const ssize_t n = ::send(source.fd(), octets.data(), octets.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n >= 0) return Step::done(static_cast<std::size_t>(n));
    return would_wait(Source::Want::kWrite);
  }
  static Step would_wait(Source::Want want) {
    if (errno == EAGAIN || errno == EINTR) return Step::wait(want);
    return Step::failed(from_errno(errno));
  }
  void close() {
    if (!open()) return;
    if (tls) tls->close_notify();
    tls.reset();
    // Unread octets would turn the close into a RST, which can destroy the last reply on its way (RFC 1122
    // section 4.2.2.13). What comes after the loop's last look would do so anyway.
    char rest[4096];
    for (int i = 0; i < 16 && !ended && source.may_read(); ++i)
      if (::recv(source.fd(), rest, sizeof rest, MSG_DONTWAIT) <= 0) break;
    source.close();
  }
  static core::Task<core::Result<void, IoError>> handshake(std::shared_ptr<Impl> self, Pool* pool,
                                                           std::int64_t deadline_ms);
  static core::Task<core::Result<Socket, IoError>> connect(int family, KernelAddress to, std::int64_t deadline_ms,
                                                           std::optional<core::IpAddress> from);
};

Socket::Socket() = default;
Socket::Socket(int fd) : impl_(std::make_shared<Impl>(fd)) {}
Socket::Socket(Socket&&) noexcept = default;
Socket& Socket::operator=(Socket&& other) noexcept {
  if (this != &other) {
    close();
    impl_ = std::move(other.impl_);
  }
  return *this;
}
Socket::~Socket() { close(); }

bool Socket::is_open() const { return impl_ && impl_->open(); }
int Socket::fd() const { return impl_ ? impl_->source.fd() : -1; }
Endpoint Socket::local() const {
  KernelAddress address;
  if (!is_open() || ::getsockname(fd(), address.get(), &address.size) != 0) return {};
  return from_kernel(address);
}
Endpoint Socket::remote() const {
  KernelAddress address;
  if (!is_open() || ::getpeername(fd(), address.get(), &address.size) != 0) return {};
  return from_kernel(address);
}

core::Task<core::Result<Socket, IoError>> Socket::Impl::connect(int family, KernelAddress to, std::int64_t deadline_ms,
                                                                std::optional<core::IpAddress> from) {
  if (stopping()) co_return core::error(IoError::kCancelled);
  const int fd = ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) co_return core::error(from_errno(errno));
  Socket socket(fd);
  if (from) {
    const KernelAddress source = to_kernel({*from, 0});
    if (::bind(fd, source.get(), source.size) != 0) co_return core::error(from_errno(errno));
  }
  if (::connect(fd, to.get(), to.size) != 0) {
    if (errno != EINPROGRESS) co_return core::error(from_errno(errno));
    auto wait = socket.impl_->source.ready(Source::Want::kWrite, deadline_ms);
    auto waited = co_await wait;
    if (!waited) co_return core::error(waited.error());
    int failure = 0;
    socklen_t size = sizeof failure;
    ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &size);
    if (failure != 0) co_return core::error(from_errno(failure));
  }
  co_return std::move(socket);
}

core::Task<core::Result<Socket, IoError>> Socket::connect(Endpoint to, std::int64_t deadline_ms,
                                                          std::optional<core::IpAddress> from) {
  const int family = to.ip.is_v4() ? AF_INET : AF_INET6;
  co_return co_await Impl::connect(family, to_kernel(to), deadline_ms, from);
}

core::Task<core::Result<Socket, IoError>> Socket::connect_unix(std::string path, std::int64_t deadline_ms) {
  KernelAddress to;
  auto& address = reinterpret_cast<sockaddr_un&>(to.storage);
  if (path.empty() || path.size() >= sizeof address.sun_path) co_return core::error(IoError::kOther);
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  to.size = sizeof address;
  co_return co_await Impl::connect(AF_UNIX, to, deadline_ms, {});
}

core::Task<core::Result<void, IoError>> Socket::wait_readable(std::int64_t deadline_ms) {
  auto impl = impl_;
  if (!impl || !impl->open()) co_return core::error(IoError::kOther);
  if (impl->tls && impl->tls->buffered()) co_return core::Result<void, IoError>{};
  auto wait = impl->source.readable(deadline_ms);
  co_return co_await wait;
}

core::Task<core::Result<std::size_t, IoError>> Socket::read(std::span<char> into, std::int64_t deadline_ms) {
  auto impl = impl_;
  if (spent()) co_await Yield{};
  for (;;) {
    if (stopping()) co_return core::error(IoError::kCancelled);
    if (!impl || !impl->open()) co_return core::error(IoError::kOther);
    const Step step = impl->must_wait(deadline_ms) ? Step::wait(Source::Want::kRead) : impl->read(into);
    if (step.kind == Step::Kind::kDone) co_return step.count;
    if (step.kind == Step::Kind::kFailed) co_return core::error(step.error);
    if (step.kind == Step::Kind::kAgain) {
      co_await Yield{};
      continue;
    }
    auto wait = impl->source.ready(step.want, deadline_ms);
    auto waited = co_await wait;
    if (!waited) co_return core::error(waited.error());
  }
}

// A stopping loop still lets a write go that does not wait: the last reply.
core::Task<core::Result<void, IoError>> Socket::write(std::string_view octets, std::int64_t deadline_ms) {
  auto impl = impl_;
  if (spent()) co_await Yield{};
  while (!octets.empty()) {
    if (!impl || !impl->open()) co_return core::error(IoError::kOther);
    const Step step = impl->write(octets);
    if (step.kind == Step::Kind::kFailed) co_return core::error(step.error);
    octets.remove_prefix(step.count);
    if (step.kind == Step::Kind::kDone) continue;
    if (step.kind == Step::Kind::kAgain) {
      co_await Yield{};
      continue;
    }
    auto wait = impl->source.ready(step.want, deadline_ms);
    auto waited = co_await wait;
    if (!waited) co_return core::error(waited.error());
  }
  co_return core::Result<void, IoError>{};
}

bool Socket::pending() const {
  if (!is_open()) return true;
  if (impl_->tls) return impl_->tls->pending();
  // The loop is told of each change since the last whole read, an end included.
  if (!impl_->source.may_read()) return false;
  char octet;
  return ::recv(fd(), &octet, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || (errno != EAGAIN && errno != EINTR);
}

// pool: of the context, where a step may take milliseconds. Nobody else touches the session while it is there.
core::Task<core::Result<void, IoError>> Socket::Impl::handshake(std::shared_ptr<Impl> self, Pool* pool,
                                                                std::int64_t deadline_ms) {
  if (!self->tls) co_return core::error(IoError::kTls);
  for (;;) {
    if (stopping()) co_return core::error(IoError::kCancelled);
    if (!self->open()) co_return core::error(IoError::kOther);
    Step step = Step::done(0);
    if (pool) {
      std::function<void()> work = [&] { step = self->tls->handshake(); };
      co_await pool->run(std::move(work));
    } else {
      step = self->tls->handshake();
    }
    if (step.kind == Step::Kind::kDone) co_return core::Result<void, IoError>{};
    if (step.kind == Step::Kind::kFailed) co_return core::error(step.error);
    if (step.kind == Step::Kind::kAgain) {
      co_await Yield{};
      continue;
    }
    auto wait = self->source.ready(step.want, deadline_ms);
    auto waited = co_await wait;
    if (!waited) co_return core::error(waited.error());
  }
}

core::Task<core::Result<void, IoError>> Socket::start_tls_server(TlsContext& context, std::int64_t deadline_ms) {
  auto impl = impl_;
  if (!impl || !impl->open() || impl->tls) co_return core::error(IoError::kOther);
  impl->tls = TlsSession::server(context, impl->source.fd());
  co_return co_await Impl::handshake(impl, context.impl().handshake_pool(), deadline_ms);
}
core::Task<core::Result<void, IoError>> Socket::start_tls_client(TlsContext& context, std::string server_name,
                                                                 std::int64_t deadline_ms) {
  auto impl = impl_;
  if (!impl || !impl->open() || impl->tls) co_return core::error(IoError::kOther);
  impl->tls = TlsSession::client(context, impl->source.fd(), server_name);
  co_return co_await Impl::handshake(impl, nullptr, deadline_ms);
}

std::optional<TlsFacts> Socket::tls() const {
  if (!impl_ || !impl_->tls) return {};
  return impl_->tls->facts();
}
std::string Socket::tls_error() const { return impl_ && impl_->tls ? impl_->tls->error_text() : std::string(); }
void Socket::set_no_delay() {
  const int on = 1;
  if (is_open()) ::setsockopt(fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}
void Socket::shutdown_write() {
  if (!is_open()) return;
  if (impl_->tls) impl_->tls->close_notify();
  ::shutdown(fd(), SHUT_WR);
}
void Socket::cancel() {
  if (impl_) impl_->source.cancel();
}
void Socket::close() {
  if (impl_) impl_->close();
}

}  // namespace sekisho::io
