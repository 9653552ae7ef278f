#include "transfer/session_pool.h"

#include <algorithm>

#include "base/log/log.h"

namespace sekisho::transfer {

void Health::down(const std::string& next_hop, const std::string& reason) {
  std::int64_t is_up = 0;
  if (down_since_ms_.compare_exchange_strong(is_up, io::now_ms()))
    log::write<log::Event::k_next_hop_down>(log::name(next_hop), log::name(reason));
}

void Health::back(const std::string& next_hop) {
  const std::int64_t since_ms = down_since_ms_.exchange(0);
  if (since_ms != 0) log::write<log::Event::k_next_hop_up>(log::name(next_hop), io::now_ms() - since_ms);
}

void SessionPool::Lease::keep() {
  // A reply to nothing would be taken for the next mail's.
  if (session_ && session_->has_unread()) return drop();
  if (session_) pool_->put_idle(std::move(session_));
}
void SessionPool::Lease::drop() {
  if (!session_) return;
  session_.reset();
  pool_->closed();
}

void SessionPool::closed() {
  --open_;
  if (waiting_.empty()) return;
  waiting_.front()->set();
  waiting_.pop_front();
}

void SessionPool::put_idle(std::unique_ptr<Session> session) {
  // RFC 9422 section 4.1: MAILMAX is how many transactions one session may have.
  const std::uint64_t uses =
      std::min<std::uint64_t>(limits_.uses, session->capabilities().mail_max.value_or(UINT32_MAX));
  if (++session->uses >= uses) {
    struct Leave {
      static core::Task<void> now(std::unique_ptr<Session> leaving) { co_await leaving->quit(); }
    };
    io::spawn(Leave::now(std::move(session)));
    return closed();
  }
  session->rest();
  session->idle_since_ms = io::now_ms();
  idle_.push_back(std::move(session));
  if (!waiting_.empty()) {
    waiting_.front()->set();
    waiting_.pop_front();
  }
  if (!std::exchange(sweeping_, true)) io::spawn(sweep(shared_from_this()));
}

// The youngest one: those at the other end may grow old and go.
std::unique_ptr<Session> SessionPool::pop_idle() {
  while (!idle_.empty()) {
    auto session = std::move(idle_.back());
    idle_.pop_back();
    const bool old = io::now_ms() - session->idle_since_ms >= limits_.idle_ms;
    if (!old && !session->stale()) return session;
    session.reset();
    closed();
  }
  return nullptr;
}

core::Task<core::Result<void, Failure>> SessionPool::wait_turn(std::int64_t deadline_ms) {
  io::Event event;
  waiting_.push_back(&event);
  auto waited = co_await event.wait(deadline_ms);
  // Taken out of the line by someone who made room: that counts even when the deadline passed in the same moment.
  const auto place = std::find(waiting_.begin(), waiting_.end(), &event);
  if (place == waiting_.end()) co_return core::Result<void, Failure>{};
  waiting_.erase(place);
  if (waited.error() != io::IoError::kTimeout) co_return core::error(failure(waited.error()));
  co_return core::error(Failure{io::IoError::kLimit, {451, "4.3.2", {"All sessions to the next hop are busy"}}});
}

core::Task<core::Result<SessionPool::Lease, Failure>> SessionPool::take(bool fresh, std::int64_t until_ms) {
  auto self = shared_from_this();
  const std::int64_t deadline = std::min(io::now_ms() + options_->timeout_ms, until_ms);
  for (;;) {
    auto kept = fresh ? nullptr : pop_idle();
    if (kept) {
      ++stats_->reuses;
      kept->until_ms = until_ms;
      co_return Lease(self, std::move(kept), true);
    }
    if (open_ >= limits_.sessions && !idle_.empty()) {
      idle_.pop_front();
      --open_;
    }
    if (open_ < limits_.sessions) break;
    auto turn = co_await wait_turn(deadline);
    if (!turn) co_return core::error(turn.error());
  }
  ++open_;
  ++stats_->connects;
  auto session = co_await Session::open(*options_, until_ms);
  if (!session) {
    closed();
    const auto& lines = session.error().reply.lines;
    if (options_->health && session.error().io != io::IoError::kCancelled)
      options_->health->down(options_->name, lines.empty() ? "" : lines.front());
    co_return core::error(session.error());
  }
  if (options_->health) options_->health->up(options_->name);
  options_->offer->set((*session)->capabilities());
  co_return Lease(self, std::move(*session), false);
}

void SessionPool::close_idle() {
  while (!idle_.empty()) {
    idle_.pop_front();
    closed();
  }
}

// Lives as long as there are idle sessions; ends with the loop.
core::Task<void> SessionPool::sweep(std::shared_ptr<SessionPool> pool) {
  while (!pool->idle_.empty()) {
    const std::int64_t due = pool->idle_.front()->idle_since_ms + pool->limits_.idle_ms;
    auto slept = co_await io::sleep_until(due);
    if (!slept) {
      pool->close_idle();
      break;
    }
    while (!pool->idle_.empty() && pool->idle_.front()->idle_since_ms + pool->limits_.idle_ms <= io::now_ms()) {
      auto old = std::move(pool->idle_.front());
      pool->idle_.pop_front();
      co_await old->quit();
      old.reset();
      pool->closed();
    }
  }
  pool->sweeping_ = false;
}

}  // namespace sekisho::transfer
