#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/core/text.h"
#include "base/process/process.h"

namespace sekisho::process {

namespace {
constexpr int kPatienceMs = 1000;

std::string monotonic_us() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return std::to_string(static_cast<std::int64_t>(now.tv_sec) * 1'000'000 + now.tv_nsec / 1000);
}
}  // namespace

Notifier::Notifier(std::string address) : address_(std::move(address)) {
  // Other families (vsock of virtual machines) are not ours.
  const bool fits = address_.size() > 1 && address_.size() < sizeof(sockaddr_un::sun_path) &&
                    (address_[0] == '/' || address_[0] == '@');
  if (fits) fd_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}
Notifier::Notifier(Notifier&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), address_(std::move(other.address_)), watchdog_ms_(other.watchdog_ms_) {}
Notifier::~Notifier() {
  if (fd_ >= 0) ::close(fd_);
}

Notifier Notifier::from_environment() {
  const auto take = [](const char* name) {
    const char* value = std::getenv(name);
    std::string out = value ? value : "";
    ::unsetenv(name);
    return out;
  };
  Notifier out(take("NOTIFY_SOCKET"));
  const std::string every = take("WATCHDOG_USEC"), pid = take("WATCHDOG_PID");
  const bool ours = pid.empty() || core::parse_uint(pid, INT32_MAX) == static_cast<std::uint64_t>(::getpid());
  const auto us = core::parse_uint(every, INT64_MAX);
  if (ours && us && *us >= 1000) out.watchdog_ms_ = static_cast<std::int64_t>(*us / 1000);
  return out;
}

bool Notifier::send(const std::string& text) {
  if (fd_ < 0) return false;
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  std::memcpy(to.sun_path, address_.data(), address_.size());
  const bool abstract = to.sun_path[0] == '@';
  if (abstract) to.sun_path[0] = '\0';
  // An abstract name is as long as it is said to be; a path ends with its NUL.
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address_.size() + (abstract ? 0 : 1));
  return ::sendto(fd_, text.data(), text.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&to), size) ==
         static_cast<ssize_t>(text.size());
}

void Notifier::ready(std::string_view status) {
  if (fd_ < 0) return;
  const std::string text = "READY=1\nSTATUS=" + std::string(status) + "\nMAINPID=" + std::to_string(::getpid());
  // A lost READY ends the service after its start time-out, so a full queue is waited out.
  for (int waited_ms = 0; !send(text) && errno == EAGAIN && waited_ms < kPatienceMs; waited_ms += 20)
    ::poll(nullptr, 0, 20);
}
// RELOADING=1 must say when, on the clock of the service manager (sd_notify(3)).
void Notifier::reloading() { send("RELOADING=1\nMONOTONIC_USEC=" + monotonic_us()); }
void Notifier::stopping(std::string_view status) { send("STOPPING=1\nSTATUS=" + std::string(status)); }
void Notifier::status(std::string_view text) { send("STATUS=" + std::string(text)); }
bool Notifier::alive() { return send("WATCHDOG=1"); }

}  // namespace sekisho::process
