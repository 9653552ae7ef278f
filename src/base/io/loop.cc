#include <unistd.h>

#include <atomic>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <cassert>
#include <chrono>
#include <csignal>
#include <mutex>
#include <optional>
#include <vector>

#include "base/io/io.h"
#include "base/io/reactor.h"

namespace sekisho::io {
namespace asio = boost::asio;
using Executor = asio::io_context::executor_type;
using Steady = std::chrono::steady_clock;
using Alarm = asio::basic_waitable_timer<Steady, asio::wait_traits<Steady>, Executor>;
using Descriptor = asio::posix::basic_stream_descriptor<Executor>;

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

// A descriptor may outlive its loop by mistake (a socket in a result): the loop takes it out of the reactor at its end.
struct Registered {
  Registered* before = nullptr;
  Registered* after = nullptr;
  void insert_after(Registered& head) {
    before = &head;
    after = head.after;
    if (after) after->before = this;
    head.after = this;
  }
  void remove() {
    if (before) before->after = after;
    if (after) after->before = before;
    before = after = nullptr;
  }
  virtual void leave() {}
  virtual ~Registered() = default;
};

// Every waiter of the loop, with a deadline or not, in one heap; one Asio timer stands at the earliest deadline or
// before it. Taking a waiter out never touches the timer: most waits end long before their deadline.
struct Loop::Impl {
  asio::io_context io{BOOST_ASIO_CONCURRENCY_HINT_UNSAFE_IO};  // one thread; post() stays thread-safe
  asio::executor_work_guard<Executor> guard{io.get_executor()};
  Alarm alarm{io.get_executor()};
  std::int64_t alarm_at_ms = kNoDeadline;
  std::vector<Waiter*> heap;
  std::vector<Waiter*> ready;
  bool drain_posted = false;
  bool draining = false;
  bool is_stopping = false;
  int inline_operations = 0;
  std::atomic<std::size_t> live{0};
  Registered sources;

  void put(std::size_t at, Waiter* waiter) {
    heap[at] = waiter;
    waiter->place = at;
  }
  void sift_up(std::size_t at) {
    Waiter* moving = heap[at];
    for (; at > 0; at = (at - 1) / 2) {
      Waiter* parent = heap[(at - 1) / 2];
      if (parent->deadline_ms <= moving->deadline_ms) break;
      put(at, parent);
    }
    put(at, moving);
  }
  void sift_down(std::size_t at) {
    Waiter* moving = heap[at];
    for (std::size_t child; (child = 2 * at + 1) < heap.size(); at = child) {
      if (child + 1 < heap.size() && heap[child + 1]->deadline_ms < heap[child]->deadline_ms) ++child;
      if (moving->deadline_ms <= heap[child]->deadline_ms) break;
      put(at, heap[child]);
    }
    put(at, moving);
  }
  void insert(Waiter& waiter) {
    heap.push_back(&waiter);
    sift_up(heap.size() - 1);
    if (waiter.deadline_ms < alarm_at_ms) set_alarm(waiter.deadline_ms);
  }
  void erase(Waiter& waiter) {
    const std::size_t at = waiter.place;
    waiter.place = SIZE_MAX;
    Waiter* last = heap.back();
    heap.pop_back();
    if (last == &waiter) return;
    put(at, last);
    sift_up(at);
    sift_down(last->place);
  }
  void set_alarm(std::int64_t at_ms) {
    alarm_at_ms = at_ms;
    alarm.expires_at(Steady::time_point(std::chrono::milliseconds(at_ms)));
    alarm.async_wait([this](boost::system::error_code ec) {
      if (!ec) ring();
    });
  }
  void ring() {
    alarm_at_ms = kNoDeadline;
    const std::int64_t now = now_ms();
    while (!heap.empty() && heap[0]->deadline_ms <= now) wake(*heap[0], IoError::kTimeout);
    if (!heap.empty() && heap[0]->deadline_ms != kNoDeadline) set_alarm(heap[0]->deadline_ms);
    drain();
  }
  void make_ready(Waiter& waiter) {
    ready.push_back(&waiter);
    if (draining || drain_posted) return;
    drain_posted = true;
    asio::post(io, [this] {
      drain_posted = false;
      drain();
    });
  }
  // One round: what becomes ready meanwhile has its turn after the other events of the loop.
  void drain() {
    if (draining || ready.empty()) return;
    draining = true;
    std::vector<Waiter*> round;
    round.swap(ready);
    for (Waiter* waiter : round) {
      inline_operations = 0;
      core::resume(waiter->handle);
    }
    draining = false;
    if (ready.empty()) {
      round.clear();
      ready.swap(round);  // keep the storage
    } else if (!drain_posted) {
      drain_posted = true;
      asio::post(io, [this] {
        drain_posted = false;
        drain();
      });
    }
  }
  void begin_stop() {
    is_stopping = true;
    while (!heap.empty()) wake(*heap.back(), IoError::kCancelled);
    end_when_idle();
  }
  void end_when_idle() {
    if (is_stopping && live == 0) io.stop();
  }
};

Loop::Loop() : impl_(std::make_unique<Impl>()) {
  ignore_sigpipe();
  if (!current_loop) current_loop = this;
}
Loop::~Loop() {
  while (Registered* source = impl_->sources.after) {
    source->remove();
    source->leave();
  }
  if (current_loop == this) current_loop = nullptr;
}
Loop& Loop::current() {
  assert(current_loop && "no loop on this thread");
  return *current_loop;
}
void Loop::run() {
  Loop* before = std::exchange(current_loop, this);
  impl_->io.run();
  current_loop = before;
}
void Loop::stop() {
  asio::post(impl_->io, [impl = impl_.get()] { impl->begin_stop(); });
}
void Loop::post(std::function<void()> work) {
  asio::post(impl_->io, [impl = impl_.get(), work = std::move(work)] {
    impl->inline_operations = 0;
    work();
  });
}
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

// Asio's wait stays armed when a waiter gives up at its deadline; the next waiter of that side uses it.
struct Source::State : Registered, std::enable_shared_from_this<Source::State> {
  Loop::Impl& loop;
  std::optional<Descriptor> descriptor;  // empty once the loop is gone
  struct Side {
    WaitList waiters;
    bool armed = false;
  };
  Side read, write;

  State(Loop::Impl& on, int fd) : loop(on), descriptor(std::in_place, on.io.get_executor(), fd) {
    insert_after(on.sources);
  }
  ~State() override { remove(); }
  void leave() override {
    descriptor->release();
    descriptor.reset();
  }
  void arm(Side& side, Descriptor::wait_type type) {
    if (side.armed) return;
    side.armed = true;
    descriptor->async_wait(type, [self = shared_from_this(), &side](boost::system::error_code) {
      side.armed = false;
      side.waiters.wake_all({});
      self->loop.drain();
    });
  }
};

Source::Source(int fd) : state_(std::make_shared<State>(here(), fd)), fd_(fd) {}
Source::~Source() { close(); }
void Source::cancel() {
  if (!state_->descriptor) return;
  state_->read.waiters.wake_all(IoError::kCancelled);
  state_->write.waiters.wake_all(IoError::kCancelled);
}
void Source::close() {
  if (fd_ < 0) return;
  cancel();
  boost::system::error_code ignored;
  if (state_->descriptor)
    state_->descriptor->close(ignored);
  else
    ::close(fd_);
  fd_ = -1;
}
Source::ReadyWait::ReadyWait(Source& from, Want what, std::int64_t deadline_ms)
    : Wait((what == Want::kRead ? from.state_->read : from.state_->write).waiters, deadline_ms),
      source(from),
      want(what) {}
void Source::ReadyWait::await_suspend(std::coroutine_handle<> handle) {
  auto& state = *source.state_;
  if (want == Want::kRead)
    state.arm(state.read, Descriptor::wait_read);
  else
    state.arm(state.write, Descriptor::wait_write);
  Wait::await_suspend(handle);
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
  return std::chrono::duration_cast<std::chrono::milliseconds>(Steady::now().time_since_epoch()).count();
}

}  // namespace sekisho::io
