#pragma once
// Inner header: one loop. It waits in epoll for descriptors, the bell and the earliest deadline, then lets run what
// became ready. All but post() belongs to its thread.
#include <sys/epoll.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "base/io/reactor.h"

namespace sekisho::io {

struct Loop::Impl {
  Impl();
  ~Impl();
  void run();
  void post(std::function<void()> work);
  void begin_stop();
  void end_when_idle() {
    if (is_stopping && live == 0) ended = true;
  }

  // Every waiter of the loop, with a deadline or not, in one heap.
  void insert(Waiter& waiter);
  void erase(Waiter& waiter);
  void make_ready(Waiter& waiter) { ready.push_back(&waiter); }

  // Makes the kernel tell about that side of the descriptor; false when it cannot.
  bool watch(Source& source, Source::Want want);
  void forget(std::uint32_t place);

  bool is_stopping = false;
  int inline_operations = 0;
  std::atomic<std::size_t> live{0};

 private:
  // An event names place and generation, so that a late one of a closed descriptor meets nobody.
  struct Place {
    Source* source = nullptr;
    std::uint32_t generation = 0;
  };
  void poll();
  void tell(const epoll_event& event);
  void run_posted();
  void ring();
  void drain();
  int wait_ms() const;
  void put(std::size_t at, Waiter* waiter) {
    heap[at] = waiter;
    waiter->place = at;
  }
  void sift_up(std::size_t at);
  void sift_down(std::size_t at);

  // Shared with posters, who may still be ringing when the loop has already taken their work, ended and gone.
  struct Bell {
    int fd;
    explicit Bell(int eventfd) : fd(eventfd) {}
    Bell(const Bell&) = delete;
    Bell& operator=(const Bell&) = delete;
    ~Bell();
  };
  int epoll;
  std::shared_ptr<Bell> bell;
  bool ended = false;
  std::vector<Waiter*> heap, ready, round;
  std::vector<Place> places;
  std::vector<std::uint32_t> free_places;
  std::vector<std::function<void()>> running;

  std::mutex mutex;
  std::vector<std::function<void()>> posted;  // under mutex
  bool asleep = false;                        // under mutex: the bell must be rung
};

}  // namespace sekisho::io
