#include "base/io/loop_impl.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>
#include <system_error>

namespace sekisho::io {
namespace {
constexpr std::uint64_t kBell = UINT64_MAX;
constexpr std::size_t kEvents = 256;

[[noreturn]] void fail(const char* what) { throw std::system_error(errno, std::generic_category(), what); }
}  // namespace

Loop::Impl::Bell::~Bell() {
  if (fd >= 0) ::close(fd);
}

Loop::Impl::Impl()
    : epoll(::epoll_create1(EPOLL_CLOEXEC)), bell(std::make_shared<Bell>(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC))) {
  if (epoll < 0 || bell->fd < 0) fail("making a loop");
  epoll_event event{};
  // Edge-triggered: each ring is a new edge, so nobody has to read the counter.
  event.events = EPOLLIN | EPOLLET;
  event.data.u64 = kBell;
  if (::epoll_ctl(epoll, EPOLL_CTL_ADD, bell->fd, &event) != 0) fail("making a loop");
}

// A descriptor may outlive its loop by mistake (a socket in a result).
Loop::Impl::~Impl() {
  for (const Place& place : places)
    if (place.source) place.source->leave();
  ::close(epoll);
}

void Loop::Impl::run() {
  while (!ended) {
    run_posted();
    ring();
    drain();
    if (!ended) poll();
  }
}

void Loop::Impl::post(std::function<void()> work) {
  std::shared_ptr<Bell> rung;
  {
    const std::lock_guard hold(mutex);
    posted.push_back(std::move(work));
    if (!std::exchange(asleep, false)) return;
    rung = bell;
  }
  // Behind the lock, or the loop would wake only to wait for it.
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(rung->fd, &one, sizeof one);
}

void Loop::Impl::run_posted() {
  {
    const std::lock_guard hold(mutex);
    asleep = false;
    running.swap(posted);
  }
  for (auto& work : running) {
    if (ended) break;
    inline_operations = 0;
    work();
  }
  running.clear();
}

void Loop::Impl::poll() {
  int timeout_ms = 0;
  if (ready.empty()) {
    const int longest_ms = wait_ms();
    const std::lock_guard hold(mutex);
    asleep = posted.empty();
    if (asleep) timeout_ms = longest_ms;
  }
  std::array<epoll_event, kEvents> events;
  const int count = ::epoll_wait(epoll, events.data(), static_cast<int>(events.size()), timeout_ms);
  // No task runs before all events are told, so no place of theirs is given away meanwhile.
  for (int i = 0; i < count; ++i) tell(events[static_cast<std::size_t>(i)]);
}

void Loop::Impl::tell(const epoll_event& event) {
  if (event.data.u64 == kBell) return;
  const auto at = static_cast<std::uint32_t>(event.data.u64);
  const auto generation = static_cast<std::uint32_t>(event.data.u64 >> 32);
  if (at < places.size() && places[at].source && places[at].generation == generation)
    places[at].source->tell(event.events);
}

bool Loop::Impl::watch(Source& source, Source::Want want) {
  const bool writes = want == Source::Want::kWrite;
  if (source.place_ && (source.writes_watched_ || !writes)) return true;
  if (free_places.empty()) {
    free_places.push_back(static_cast<std::uint32_t>(places.size()));
    places.emplace_back();
  }
  const std::uint32_t at = source.place_.value_or(free_places.back());
  epoll_event event{};
  event.events = EPOLLIN | EPOLLRDHUP | EPOLLET | (writes ? EPOLLOUT : 0u);
  event.data.u64 = (std::uint64_t{places[at].generation} << 32) | at;
  int result = ::epoll_ctl(epoll, source.place_ ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, source.fd(), &event);
  // A closed duplicate leaves its registration behind, and the number may come again.
  if (result != 0 && errno == EEXIST) result = ::epoll_ctl(epoll, EPOLL_CTL_MOD, source.fd(), &event);
  if (result != 0) return false;
  if (!source.place_) free_places.pop_back();
  places[at].source = &source;
  source.place_ = at;
  source.loop_ = this;
  source.writes_watched_ |= writes;
  return true;
}

void Loop::Impl::forget(std::uint32_t at) {
  places[at].source = nullptr;
  if (++places[at].generation == UINT32_MAX) places[at].generation = 0;
  free_places.push_back(at);
}

int Loop::Impl::wait_ms() const {
  if (heap.empty() || heap[0]->deadline_ms == kNoDeadline) return -1;
  const std::int64_t left_ms = heap[0]->deadline_ms - now_ms();
  return static_cast<int>(std::clamp<std::int64_t>(left_ms, 0, std::numeric_limits<int>::max()));
}

void Loop::Impl::ring() {
  if (heap.empty() || heap[0]->deadline_ms == kNoDeadline) return;
  const std::int64_t now = now_ms();
  while (!heap.empty() && heap[0]->deadline_ms <= now) wake(*heap[0], IoError::kTimeout);
}

// One round: what becomes ready meanwhile has its turn after the other events of the loop.
void Loop::Impl::drain() {
  round.swap(ready);
  for (Waiter* waiter : round) {
    inline_operations = 0;
    core::resume(waiter->handle);
  }
  round.clear();
}

void Loop::Impl::begin_stop() {
  is_stopping = true;
  while (!heap.empty()) wake(*heap.back(), IoError::kCancelled);
  end_when_idle();
}

void Loop::Impl::insert(Waiter& waiter) {
  heap.push_back(&waiter);
  sift_up(heap.size() - 1);
}
void Loop::Impl::erase(Waiter& waiter) {
  const std::size_t at = waiter.place;
  waiter.place = SIZE_MAX;
  Waiter* last = heap.back();
  heap.pop_back();
  if (last == &waiter) return;
  put(at, last);
  sift_up(at);
  sift_down(last->place);
}
void Loop::Impl::sift_up(std::size_t at) {
  Waiter* moving = heap[at];
  for (; at > 0; at = (at - 1) / 2) {
    Waiter* parent = heap[(at - 1) / 2];
    if (parent->deadline_ms <= moving->deadline_ms) break;
    put(at, parent);
  }
  put(at, moving);
}
void Loop::Impl::sift_down(std::size_t at) {
  Waiter* moving = heap[at];
  for (std::size_t child; (child = 2 * at + 1) < heap.size(); at = child) {
    if (child + 1 < heap.size() && heap[child + 1]->deadline_ms < heap[child]->deadline_ms) ++child;
    if (moving->deadline_ms <= heap[child]->deadline_ms) break;
    put(at, heap[child]);
  }
  put(at, moving);
}

void Source::tell(std::uint32_t events) {
  // EPOLLERR and EPOLLHUP concern both sides: the operation will say which error it is.
  constexpr std::uint32_t kBoth = EPOLLERR | EPOLLHUP;
  if (events & (EPOLLRDHUP | kBoth)) ended_ = true;
  if (events & (EPOLLIN | EPOLLRDHUP | kBoth)) {
    read_.ready = true;
    read_.waiters.wake_all({});
  }
  if (events & (EPOLLOUT | kBoth)) {
    write_.ready = true;
    write_.waiters.wake_all({});
  }
}
bool Source::has_input() {
  pollfd asked{fd_, POLLIN | POLLRDHUP, 0};
  read_.ready = ::poll(&asked, 1, 0) > 0;
  return read_.ready;
}
void Source::cancel() {
  read_.waiters.wake_all(IoError::kCancelled);
  write_.waiters.wake_all(IoError::kCancelled);
}
void Source::close() {
  if (fd_ < 0) return;
  cancel();
  if (place_) loop_->forget(*place_);
  leave();
  ::close(fd_);
  fd_ = -1;
}
// A descriptor that epoll does not take (a regular file, no memory) is tried at once.
void Source::ReadyWait::await_suspend(std::coroutine_handle<> handle) {
  Wait::await_suspend(handle);
  if (!here().watch(source, want)) wake(waiter, {});
}

}  // namespace sekisho::io
