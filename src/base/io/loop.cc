#include <cassert>
#include <chrono>
#include <csignal>
#include <mutex>
#include <optional>

#include "base/io/io.h"
#include "base/io/loop_impl.h"

namespace sekisho::io {

namespace {
thread_local Loop* current_loop = nullptr;
constexpr int kInlineOperations = 64;  // of 16 KiB: about 1 ms of a loop

// OpenSSL writes with write(2), which has no MSG_NOSIGNAL.
void ignore_sigpipe() {
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction old {};
    if (sigaction(SIGPIPE, nullptr, &old) == 0 && old.sa_handler == SIG_DFL) std::signal(SIGPIPE, SIG_IGN);
  });
}
}  // namespace

Loop::Loop() : impl_(std::make_unique<Impl>()) {
  ignore_sigpipe();
  if (!current_loop) current_loop = this;
}
Loop::~Loop() {
  if (current_loop == this) current_loop = nullptr;
}
Loop& Loop::current() {
  assert(current_loop && "no loop on this thread");
  return *current_loop;
}
void Loop::run() {
  Loop* before = std::exchange(current_loop, this);
  impl_->run();
  current_loop = before;
}
void Loop::stop() {
  impl_->post([impl = impl_.get()] { impl->begin_stop(); });
}
void Loop::post(std::function<void()> work) { impl_->post(std::move(work)); }
std::size_t Loop::live_tasks() const { return impl_->live; }

Loop::Impl& here() { return Loop::current().impl(); }
bool stopping() { return here().is_stopping; }
bool spent() {
  auto& loop = here();
  if (++loop.inline_operations < kInlineOperations) return false;
  loop.inline_operations = 0;
  return true;
}

void WaitList::add(Waiter& waiter) {
  waiter.home = this;
  waiter.next = first;
  first = &waiter;
}
void WaitList::remove(Waiter& waiter) {
  Waiter** at = &first;
  while (*at != &waiter) at = &(*at)->next;
  *at = waiter.next;
  waiter.home = nullptr;
}
void WaitList::wake_all(std::optional<IoError> error) {
  while (first) wake(*first, error);
}

void park(Waiter& waiter, WaitList& home) {
  waiter.loop = &here();
  home.add(waiter);
  waiter.loop->insert(waiter);
}
void wake(Waiter& waiter, std::optional<IoError> error) {
  waiter.error = error;
  if (waiter.home) waiter.home->remove(waiter);
  if (waiter.place != SIZE_MAX) waiter.loop->erase(waiter);
  waiter.loop->make_ready(waiter);
}
void Yield::await_suspend(std::coroutine_handle<> handle) {
  waiter.handle = handle;
  waiter.loop = &here();
  waiter.loop->make_ready(waiter);
}

namespace {
// The frame of a spawned task: it owns the task and destroys itself at its end.
struct Root {
  struct promise_type {
    Root get_return_object() const { return {}; }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const {}
    [[noreturn]] void unhandled_exception() const { std::terminate(); }
  };
};
Root own(Loop::Impl& loop, core::Task<void> task) {
  ++loop.live;
  {
    core::Task<void> running = std::move(task);
    co_await running;
  }
  --loop.live;
  loop.end_when_idle();
}
}  // namespace

void spawn(core::Task<void> task) { own(here(), std::move(task)); }

core::Task<core::Result<void, IoError>> sleep_until(std::int64_t deadline_ms) {
  WaitList nobody;
  Wait wait(nobody, deadline_ms);
  auto ended = co_await wait;
  if (ended.error() == IoError::kTimeout) co_return core::Result<void, IoError>{};
  co_return ended;
}

struct Event::Impl {
  WaitList waiters;
  bool is_set = false;
};
Event::Event() : impl_(std::make_unique<Impl>()) {}
Event::~Event() { impl_->waiters.wake_all(IoError::kCancelled); }
void Event::set() {
  impl_->is_set = impl_->waiters.first == nullptr;
  impl_->waiters.wake_all({});
}
core::Task<core::Result<void, IoError>> Event::wait(std::int64_t deadline_ms) {
  if (std::exchange(impl_->is_set, false)) co_return core::Result<void, IoError>{};
  Wait wait(impl_->waiters, deadline_ms);
  co_return co_await wait;
}

void detail::run_on_own_loop(core::Task<void> task) {
  Loop loop;
  Loop* before = std::exchange(current_loop, &loop);
  struct Whole {
    static core::Task<void> of(core::Task<void> inner, Loop& on) {
      co_await inner;
      on.stop();
    }
  };
  spawn(Whole::of(std::move(task), loop));
  loop.run();
  current_loop = before;
}

std::int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace sekisho::io
