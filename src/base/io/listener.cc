#include <fcntl.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>

#include "base/io/address.h"
#include "base/io/descriptors.h"
#include "base/io/io.h"
#include "base/io/reactor.h"

namespace sekisho::io {
namespace {
constexpr int kBacklog = 1024;
constexpr std::int64_t kLimitPauseMs = 50;
std::atomic<std::uint64_t> turned_away{0};

bool nobody_listens(const KernelAddress& at) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const bool refused = ::connect(fd, at.get(), at.size) != 0 && errno == ECONNREFUSED;
  ::close(fd);
  return refused;
}
}  // namespace

struct Listener::Impl {
  Source source;
  int reserve;
  std::string path;

  explicit Impl(int fd) : source(fd), reserve(open_reserve()) {}
  ~Impl() {
    if (reserve >= 0) ::close(reserve);
    if (!path.empty()) ::unlink(path.c_str());
  }
  static int open_reserve() { return ::open("/dev/null", O_RDONLY | O_CLOEXEC); }
  // Out of descriptors: a client that waits in the backlog would wait for ever, so it is taken and hung up on.
  // Zero when that was done, else why not. (Linux answers EMFILE before it looks whether anybody waits.)
  int turn_one_away() {
    if (reserve < 0) return EMFILE;
    ::close(reserve);
    const int fd = ::accept4(source.fd(), nullptr, nullptr, SOCK_CLOEXEC);
    const int failure = fd < 0 ? errno : 0;
    if (fd >= 0) ::close(fd), turned_away.fetch_add(1, std::memory_order_relaxed);
    reserve = open_reserve();
    return failure;
  }
};

std::uint64_t descriptors_refused() { return turned_away.load(std::memory_order_relaxed); }

Listener::Listener() = default;
Listener::Listener(Listener&&) noexcept = default;
Listener& Listener::operator=(Listener&&) noexcept = default;
Listener::~Listener() = default;

core::Result<Listener, IoError> Listener::bind(const Endpoint& at) {
  const KernelAddress address = to_kernel(at);
  const int fd = ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return core::error(from_errno(errno));
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  // One acceptor per address: [::]:25 and 0.0.0.0:25 are two addresses.
  if (address.storage.ss_family == AF_INET6) ::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  if (::bind(fd, address.get(), address.size) != 0 || ::listen(fd, kBacklog) != 0) {
    const IoError failure = from_errno(errno);
    ::close(fd);
    return core::error(failure);
  }
  Listener out;
  out.impl_ = std::make_shared<Impl>(fd);
  return out;
}

core::Result<Listener, IoError> Listener::bind_unix(const std::string& path, unsigned mode) {
  KernelAddress address;
  auto& un = reinterpret_cast<sockaddr_un&>(address.storage);
  if (path.empty() || path.size() >= sizeof un.sun_path) return core::error(IoError::kOther);
  un.sun_family = AF_UNIX;
  std::memcpy(un.sun_path, path.c_str(), path.size() + 1);
  address.size = sizeof un;
  // A socket file left behind by a dead process is taken over; a living one is not.
  struct stat there {};
  if (::lstat(path.c_str(), &there) == 0 && S_ISSOCK(there.st_mode) && nobody_listens(address)) ::unlink(path.c_str());
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return core::error(from_errno(errno));
  if (::bind(fd, address.get(), address.size) != 0) {
    const IoError failure = errno == ENOENT ? IoError::kDenied : from_errno(errno);
    ::close(fd);
    return core::error(failure);
  }
  // Nobody can connect before listen(), so the mode is in force from the first client on.
  if (::chmod(path.c_str(), mode) != 0 || ::listen(fd, kBacklog) != 0) {
    const IoError failure = from_errno(errno);
    ::close(fd);
    ::unlink(path.c_str());
    return core::error(failure);
  }
  Listener out;
  out.impl_ = std::make_shared<Impl>(fd);
  out.impl_->path = path;
  return out;
}

core::Result<Listener, IoError> Listener::adopt(int fd) {
  const auto option = [fd](int name) {
    int value = 0;
    socklen_t size = sizeof value;
    return ::getsockopt(fd, SOL_SOCKET, name, &value, &size) == 0 ? value : -1;
  };
  const int domain = option(SO_DOMAIN);
  if ((domain != AF_INET && domain != AF_INET6) || option(SO_TYPE) != SOCK_STREAM || option(SO_ACCEPTCONN) != 1)
    return core::error(IoError::kOther);
  ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
  ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  Listener out;
  out.impl_ = std::make_shared<Impl>(fd);
  return out;
}

core::Result<int, IoError> Listener::try_accept() {
  const int fd = ::accept4(impl_->source.fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd >= 0) return fd;
  return core::error(errno == EAGAIN ? IoError::kTimeout : from_errno(errno));
}

int Listener::fd() const { return impl_ ? impl_->source.fd() : -1; }

core::Task<core::Result<int, IoError>> Listener::accept() {
  auto impl = impl_;
  if (spent()) co_await Yield{};
  for (;;) {
    if (stopping()) co_return core::error(IoError::kCancelled);
    if (impl->source.fd() < 0) co_return core::error(IoError::kOther);
    const int fd = ::accept4(impl->source.fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) co_return fd;
    int failure = errno;
    if (failure == EMFILE || failure == ENFILE) failure = impl->turn_one_away();
    if (failure == EAGAIN) {
      auto wait = impl->source.ready(Source::Want::kRead, kNoDeadline);
      auto waited = co_await wait;
      if (!waited) co_return core::error(waited.error());
    } else if (from_errno(failure) == IoError::kLimit) {
      if (impl->reserve < 0) impl->reserve = Impl::open_reserve();
      WaitList nobody;
      Wait pause(nobody, now_ms() + kLimitPauseMs);
      co_await pause;
    } else if (failure == EBADF || failure == EINVAL || failure == ENOTSOCK) {
      co_return core::error(IoError::kOther);
    }
    // Everything else is a fault of the connection that was to be accepted: accept(2) says to try again.
  }
}

Endpoint Listener::local() const {
  KernelAddress address;
  if (!impl_ || ::getsockname(impl_->source.fd(), address.get(), &address.size) != 0) return {};
  return from_kernel(address);
}
void Listener::cancel() {
  if (impl_) impl_->source.cancel();
}

}  // namespace sekisho::io
