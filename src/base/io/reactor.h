#pragma once
// Inner header: how the leaves of this room suspend and wake up. Asio stays in loop.cc.
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

// A descriptor known to the reactor. Copies share it; close() ends it for all and wakes who waits with kCancelled.
class Source {
 public:
  explicit Source(int fd);  // takes the descriptor
  ~Source();
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  enum class Want : std::uint8_t { kRead, kWrite };
  struct ReadyWait : Wait {
    Source& source;
    Want want;
    ReadyWait(Source& from, Want what, std::int64_t deadline_ms);
    void await_suspend(std::coroutine_handle<> handle);
  };
  ReadyWait ready(Want want, std::int64_t deadline_ms) { return {*this, want, deadline_ms}; }
  int fd() const { return fd_; }
  void cancel();
  void close();

 private:
  struct State;
  std::shared_ptr<State> state_;
  int fd_;
};

}  // namespace sekisho::io
