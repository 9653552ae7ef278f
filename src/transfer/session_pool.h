#pragma once
// Kept sessions of one loop to one next hop. A Lease gives its session back only when keep() was called; else it is
// closed.
#include <deque>
#include <memory>
#include <vector>

#include "transfer/session.h"

namespace sekisho::transfer {

struct PoolLimits {
  std::size_t sessions = 20;
  std::uint64_t uses = 100;
  std::int64_t idle_ms = 30'000;
};

class SessionPool : public std::enable_shared_from_this<SessionPool> {
 public:
  class Lease {
   public:
    Lease() = default;
    Lease(std::shared_ptr<SessionPool> pool, std::unique_ptr<Session> session, bool reused)
        : pool_(std::move(pool)), session_(std::move(session)), reused_(reused) {}
    Lease(Lease&&) noexcept = default;
    Lease& operator=(Lease&& other) noexcept {
      drop();
      pool_ = std::move(other.pool_);
      session_ = std::move(other.session_);
      reused_ = other.reused_;
      return *this;
    }
    ~Lease() { drop(); }
    Session* operator->() const { return session_.get(); }
    Session& operator*() const { return *session_; }
    explicit operator bool() const { return session_ != nullptr; }
    bool reused() const { return reused_; }
    void keep();  // the session stands between two transactions
    void drop();

   private:
    std::shared_ptr<SessionPool> pool_;
    std::unique_ptr<Session> session_;
    bool reused_ = false;
  };

  SessionPool(std::shared_ptr<const Options> options, PoolLimits limits, std::shared_ptr<Stats> stats)
      : options_(std::move(options)), limits_(limits), stats_(std::move(stats)) {}
  // A kept session that is alive, or a new one. fresh: a new one in any case.
  core::Task<core::Result<Lease, Failure>> take(bool fresh, std::int64_t until_ms = io::kNoDeadline);
  void close_idle();
  std::size_t open_count() const { return open_; }

 private:
  std::unique_ptr<Session> pop_idle();
  core::Task<core::Result<void, Failure>> wait_turn(std::int64_t deadline_ms);
  void put_idle(std::unique_ptr<Session> session);
  void closed();
  static core::Task<void> sweep(std::shared_ptr<SessionPool> pool);

  std::shared_ptr<const Options> options_;
  PoolLimits limits_;
  std::shared_ptr<Stats> stats_;
  std::deque<std::unique_ptr<Session>> idle_;  // longest idle first
  std::deque<io::Event*> waiting_;             // in the frames that wait
  std::size_t open_ = 0;                       // leased, idle or being opened
  bool sweeping_ = false;
};

}  // namespace sekisho::transfer
