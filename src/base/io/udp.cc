#include <unistd.h>

#include <cerrno>

#include "base/io/address.h"
#include "base/io/io.h"
#include "base/io/reactor.h"

namespace sekisho::io {

struct Udp::Impl {
  Source source;
  explicit Impl(int fd) : source(fd) {}
};
Udp::Udp() = default;
Udp::Udp(Udp&&) noexcept = default;
Udp& Udp::operator=(Udp&&) noexcept = default;
Udp::~Udp() = default;

namespace {
using Attach = int (*)(int, const sockaddr*, socklen_t);
core::Result<int, IoError> open(const Endpoint& at, Attach attach) {
  const KernelAddress address = to_kernel(at);
  const int fd = ::socket(address.storage.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return core::error(from_errno(errno));
  if (attach(fd, address.get(), address.size) != 0) {
    const IoError failure = from_errno(errno);
    ::close(fd);
    return core::error(failure);
  }
  return fd;
}
core::Result<void, IoError> sent(ssize_t result) {
  if (result >= 0) return {};
  // A full queue loses the datagram, as any router may.
  if (errno == EAGAIN || errno == ENOBUFS) return {};
  return core::error(from_errno(errno));
}
}  // namespace

core::Result<Udp, IoError> Udp::connect(const Endpoint& to) {
  auto fd = open(to, ::connect);
  if (!fd) return core::error(fd.error());
  Udp out;
  out.impl_ = std::make_shared<Impl>(*fd);
  return out;
}
core::Result<Udp, IoError> Udp::bind(const Endpoint& at) {
  auto fd = open(at, ::bind);
  if (!fd) return core::error(fd.error());
  Udp out;
  out.impl_ = std::make_shared<Impl>(*fd);
  return out;
}

core::Result<void, IoError> Udp::send(std::string_view datagram) {
  return sent(::send(impl_->source.fd(), datagram.data(), datagram.size(), MSG_NOSIGNAL));
}
core::Result<void, IoError> Udp::send_to(const Endpoint& to, std::string_view datagram) {
  const KernelAddress address = to_kernel(to);
  return sent(
      ::sendto(impl_->source.fd(), datagram.data(), datagram.size(), MSG_NOSIGNAL, address.get(), address.size));
}

core::Task<core::Result<Udp::Datagram, IoError>> Udp::receive(std::span<char> into, std::int64_t deadline_ms) {
  auto impl = impl_;
  if (spent()) co_await Yield{};
  for (;;) {
    if (stopping()) co_return core::error(IoError::kCancelled);
    KernelAddress from;
    const ssize_t n = ::recvfrom(impl->source.fd(), into.data(), into.size(), 0, from.get(), &from.size);
    if (n >= 0) co_return Datagram{static_cast<std::size_t>(n), from_kernel(from)};
    if (errno != EAGAIN && errno != EINTR) co_return core::error(from_errno(errno));
    auto wait = impl->source.ready(Source::Want::kRead, deadline_ms);
    auto waited = co_await wait;
    if (!waited) co_return core::error(waited.error());
  }
}
Endpoint Udp::local() const {
  KernelAddress address;
  if (!impl_ || ::getsockname(impl_->source.fd(), address.get(), &address.size) != 0) return {};
  return from_kernel(address);
}
void Udp::cancel() {
  if (impl_) impl_->source.cancel();
}

}  // namespace sekisho::io
