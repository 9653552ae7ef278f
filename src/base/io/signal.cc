#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>

#include "base/io/io.h"
#include "base/io/reactor.h"

namespace sekisho::io {
namespace {
// The handler stays installed for the life of the process: a signal between two waits is kept, not lost and not fatal.
std::atomic<bool> arrived[NSIG];
int bell() {
  static const int fd = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  return fd;
}
std::atomic<int> bell_fd{-1};

void on_signal(int number) {
  const int saved = errno;
  arrived[number] = true;
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(bell_fd, &one, sizeof one);
  errno = saved;
}
}  // namespace

core::Task<core::Result<int, IoError>> wait_signal(std::span<const int> signals) {
  bell_fd = bell();
  for (const int number : signals) {
    struct sigaction action {};
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    ::sigaction(number, &action, nullptr);
  }
  Source source(::dup(bell()));
  for (;;) {
    std::uint64_t count;
    [[maybe_unused]] const auto drained = ::read(source.fd(), &count, sizeof count);
    for (const int number : signals)
      if (arrived[number].exchange(false)) co_return number;
    auto wait = source.ready(Source::Want::kRead, kNoDeadline);
    auto waited = co_await wait;
    if (!waited) co_return core::error(waited.error());
  }
}

}  // namespace sekisho::io
