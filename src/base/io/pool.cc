#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "base/io/io.h"
#include "base/io/reactor.h"

namespace sekisho::io {

struct Pool::Impl {
  struct Job {
    std::function<void()> work;
    Loop* loop = nullptr;
    std::coroutine_handle<> awaiting;
  };
  std::mutex lock;
  std::condition_variable arrived;
  std::deque<Job*> queue;  // they live in the frames that await them
  bool closing = false;
  std::vector<std::thread> threads;

  void serve() {
    for (;;) {
      Job* job = nullptr;
      {
        std::unique_lock hold(lock);
        arrived.wait(hold, [this] { return closing || !queue.empty(); });
        if (queue.empty()) return;
        job = queue.front();
        queue.pop_front();
      }
      job->work();
      // After the post the frame, and the job in it, may be gone.
      job->loop->post([handle = job->awaiting] { core::resume(handle); });
    }
  }
  struct Submit {
    Impl& pool;
    Job& job;
    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> handle) const {
      job.awaiting = handle;
      // Notified under the lock: once it is open, the work may be done and this frame on its way.
      std::lock_guard hold(pool.lock);
      pool.queue.push_back(&job);
      pool.arrived.notify_one();
    }
    void await_resume() const {}
  };
};

Pool::Pool(std::size_t threads) : impl_(std::make_unique<Impl>()) {
  for (std::size_t i = 0; i < std::max<std::size_t>(threads, 1); ++i)
    impl_->threads.emplace_back([impl = impl_.get()] { impl->serve(); });
}
Pool::~Pool() {
  {
    std::lock_guard hold(impl_->lock);
    impl_->closing = true;
    impl_->arrived.notify_all();
  }
  for (auto& thread : impl_->threads) thread.join();
}

core::Task<void> Pool::run(std::function<void()> work) {
  Impl::Job job{std::move(work), &Loop::current(), {}};
  Impl::Submit submit{*impl_, job};
  co_await submit;
}

}  // namespace sekisho::io
