#pragma once
// Inner header: how the leaves of this room suspend and wake up.
// A Waiter lives in the frame of the suspended leaf. It is in its loop's heap (ordered by deadline) and in one WaitList
// until wake() takes it out of both; the frame is resumed a little later from the loop, never inside wake().
#include <coroutine>
#include <cstddef>
#include <optional>

#include "base/io/io.h"

namespace sekisho::io {

struct WaitList;

struct Waiter {
  std::coroutine_handle<> handle;
  Loop::Impl* loop = nullptr;
  std::optional<IoError> error;
  std::int64_t deadline_ms = kNoDeadline;
  std::size_t place = SIZE_MAX;  // in the heap
  WaitList* home = nullptr;
  Waiter* next = nullptr;  // in home
};

struct WaitList {
  Waiter* first = nullptr;
  void add(Waiter& waiter);
  void remove(Waiter& waiter);
  void wake_all(std::optional<IoError> error);
};

Loop::Impl& here();  // of the loop running on this thread
bool stopping();
bool spent();  // this slice made many operations that never waited: let the others run
void park(Waiter& waiter, WaitList& home);
void wake(Waiter& waiter, std::optional<IoError> error);
IoError from_errno(int number);

// Suspends until home is woken, the deadline passes, or the loop stops.
struct Wait {
  WaitList& home;
  Waiter waiter;
  Wait(WaitList& list, std::int64_t deadline_ms) : home(list) { waiter.deadline_ms = deadline_ms; }
  bool await_ready() {
    if (stopping())
      waiter.error = IoError::kCancelled;
    else if (waiter.deadline_ms != kNoDeadline && waiter.deadline_ms <= now_ms())
      waiter.error = IoError::kTimeout;
    return waiter.error.has_value();
  }
  void await_suspend(std::coroutine_handle<> handle) {
    waiter.handle = handle;
    park(waiter, home);
  }
  core::Result<void, IoError> await_resume() const {
    if (waiter.error) return core::error(*waiter.error);
    return {};
  }
};

// Goes to the end of the loop's queue.
struct Yield {
  Waiter waiter;
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> handle);
  void await_resume() const {}
};

// A descriptor known to the reactor: registered once, edge-triggered, at its first wait. What the kernel told is kept
// per side until an operation finds nothing more to do. close() wakes who waits with kCancelled.
class Source {
 public:
  explicit Source(int fd) : fd_(fd) {}  // takes the descriptor
  ~Source() { close(); }
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  enum class Want : std::uint8_t { kRead, kWrite };
  struct ReadyWait : Wait {
    Source& source;
    Want want;
    bool known = false;
    ReadyWait(Source& from, Want what, std::int64_t deadline_ms)
        : Wait(from.side(what).waiters, deadline_ms), source(from), want(what) {}
    bool await_ready() { return (known && !stopping()) || Wait::await_ready(); }
    void await_suspend(std::coroutine_handle<> handle);
  };
  // After an operation that would have waited: until the kernel tells anything new about that side.
  ReadyWait ready(Want want, std::int64_t deadline_ms) {
    side(want).ready = false;
    return {*this, want, deadline_ms};
  }
  // Until there is something to read, which may be so already.
  ReadyWait readable(std::int64_t deadline_ms) {
    ReadyWait wait{*this, Want::kRead, deadline_ms};
    wait.known = place_ && may_read() && has_input();
    return wait;
  }
  // Asks the kernel: a read that filled its room may have taken all there was, and no edge tells of that.
  bool has_input();
  // False: at the last look of the loop there was nothing to read. True: perhaps there is.
  bool may_read() const { return !place_ || read_.ready || ended_; }
  // All there was has been read; an end that the kernel told of is still to be read.
  void drained() { read_.ready = ended_; }

  int fd() const { return fd_; }
  void cancel();
  void close();

 private:
  friend struct Loop::Impl;
  struct Side {
    WaitList waiters;
    bool ready = false;
  };
  Side& side(Want want) { return want == Want::kRead ? read_ : write_; }
  void tell(std::uint32_t events);  // from the loop
  void leave() { loop_ = nullptr, place_.reset(), writes_watched_ = false; }

  int fd_;
  bool ended_ = false;  // the peer's end or a fault is there: there will be no other edge for it
  Side read_, write_;
  Loop::Impl* loop_ = nullptr;
  std::optional<std::uint32_t> place_;  // in the loop's table
  bool writes_watched_ = false;         // only once a write had to wait
};

}  // namespace sekisho::io
