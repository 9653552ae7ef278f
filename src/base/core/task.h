#pragma once
// Task<T>: a lazy coroutine. It starts when it is awaited, runs on the thread that awaits it, and is resumed on the
// same thread. A child that is already done when it first returns never suspends its parent, and a finished child hands
// its parent to a trampoline, so the stack does not grow with depth or with the length of a loop. (Symmetric transfer
// is not used: gcc 12 overflows the stack with it at -O0, -O1 and under sanitizers.)
//
// Contract: a Task takes references only to what its awaiting caller owns. Whoever resumes a suspended leaf (a socket,
// a timer) calls core::resume(handle), never handle.resume(). A suspended frame is never destroyed.
// gcc 12 traps: no temporary lambda with captures and no braced initializer list inside a co_await expression; name
// them first.
#include <cassert>
#include <coroutine>
#include <exception>
#include <optional>
#include <utility>
#include <vector>

namespace sekisho::core {

namespace task_detail {
inline thread_local std::coroutine_handle<> next_handle;

struct PromiseBase {
  std::coroutine_handle<> continuation;

  struct Final {
    bool await_ready() const noexcept { return false; }
    template <class P>
    void await_suspend(std::coroutine_handle<P> self) const noexcept {
      if (auto parent = self.promise().continuation) next_handle = parent;
    }
    void await_resume() const noexcept {}
  };
  std::suspend_always initial_suspend() const noexcept { return {}; }
  Final final_suspend() const noexcept { return {}; }
  // Exceptions end start-up, nothing else: one that reaches a Task ends the process.
  [[noreturn]] void unhandled_exception() const noexcept { std::terminate(); }
};

template <class T>
struct Promise : PromiseBase {
  std::optional<T> value;
  auto get_return_object() { return std::coroutine_handle<Promise>::from_promise(*this); }
  template <class U>
  void return_value(U&& v) {
    value.emplace(std::forward<U>(v));
  }
  T take() { return std::move(*value); }
};

template <>
struct Promise<void> : PromiseBase {
  auto get_return_object() { return std::coroutine_handle<Promise>::from_promise(*this); }
  void return_void() const noexcept {}
  void take() const noexcept {}
};
}  // namespace task_detail

// Resumes a suspended coroutine and then every parent that became ready by it.
inline void resume(std::coroutine_handle<> handle) {
  auto outer = std::exchange(task_detail::next_handle, {});
  handle.resume();
  while (auto next = std::exchange(task_detail::next_handle, {})) next.resume();
  task_detail::next_handle = outer;
}

template <class T = void>
class [[nodiscard]] Task {
 public:
  using promise_type = task_detail::Promise<T>;
  using Handle = std::coroutine_handle<promise_type>;

  Task(Handle handle) : handle_(handle) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  Task& operator=(Task&& other) noexcept {
    if (this != &other) {
      if (handle_) handle_.destroy();
      handle_ = std::exchange(other.handle_, {});
    }
    return *this;
  }
  ~Task() {
    if (handle_) handle_.destroy();
  }

  struct Awaiter {
    Handle child;
    bool await_ready() const noexcept { return false; }
    bool await_suspend(std::coroutine_handle<> parent) const {
      resume(child);
      if (child.done()) return false;
      child.promise().continuation = parent;
      return true;
    }
    T await_resume() const { return child.promise().take(); }
  };
  Awaiter operator co_await() const& noexcept { return {handle_}; }
  Awaiter operator co_await() && noexcept { return {handle_}; }

  // For roots only (io::spawn, run_ready, tests): runs until the first suspension; true when done.
  bool start() const {
    resume(handle_);
    return handle_.done();
  }
  bool done() const { return handle_.done(); }
  T take() const { return handle_.promise().take(); }

 private:
  Handle handle_;
};

// Runs a task that must not suspend (in-memory resolvers, tests). It is an error if it does.
template <class T>
T run_ready(Task<T> task) {
  [[maybe_unused]] const bool done = task.start();
  assert(done && "run_ready: the task suspended");
  if (!done) std::terminate();
  return task.take();
}

namespace task_detail {
struct Gate {
  std::size_t waiting = 0;
  std::coroutine_handle<> parent;
  struct Awaiter {
    Gate& gate;
    bool await_ready() const noexcept { return gate.waiting == 0; }
    void await_suspend(std::coroutine_handle<> h) const noexcept { gate.parent = h; }
    void await_resume() const noexcept {}
  };
};
template <class T>
Task<void> run_into(Task<T> task, std::optional<T>& slot, Gate& gate) {
  slot.emplace(co_await task);
  // The last child hands the parent to the trampoline of whoever resumed it.
  if (--gate.waiting == 0 && gate.parent) next_handle = gate.parent;
}
}  // namespace task_detail

// Starts all tasks on this thread and gives their results in order once every one is done.
template <class T>
Task<std::vector<T>> when_all(std::vector<Task<T>> tasks) {
  std::vector<std::optional<T>> slots(tasks.size());
  task_detail::Gate gate{tasks.size(), {}};
  std::vector<Task<void>> runners;
  runners.reserve(tasks.size());
  for (std::size_t i = 0; i < tasks.size(); ++i)
    runners.push_back(task_detail::run_into<T>(std::move(tasks[i]), slots[i], gate));
  for (auto& runner : runners) runner.start();
  task_detail::Gate::Awaiter all{gate};
  co_await all;
  std::vector<T> results;
  results.reserve(slots.size());
  for (auto& slot : slots) results.push_back(std::move(*slot));
  co_return results;
}

}  // namespace sekisho::core
