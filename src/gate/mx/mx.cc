#include "gate/mx/mx.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <string_view>

namespace sekisho::mx {
namespace {
constexpr std::int64_t kDrainStepMs = 20;

// RFC 5321 section 3.8: 421 when the service is not available. The socket is new, so the line always fits.
void turn_away(int fd) {
  constexpr std::string_view kReply = "421 4.3.2 Too many sessions, come again later\r\n";
  [[maybe_unused]] const auto sent = ::send(fd, kReply.data(), kReply.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  ::close(fd);
}

// A session takes one descriptor and its road up to one more. The soft limit is raised as far as it must and may be;
// where that is too little, fewer sessions are taken, so that the rest gets a 421 and not a hang-up.
std::size_t sessions_that_fit(std::size_t wanted) {
  constexpr rlim_t kOthers = 512;  // listeners, DNS, store, next hops' pool
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return wanted;
  const rlim_t needed = static_cast<rlim_t>(wanted) * 2 + kOthers;
  if (limit.rlim_cur < needed) {
    limit.rlim_cur = std::min(needed, limit.rlim_max);
    ::setrlimit(RLIMIT_NOFILE, &limit);
    ::getrlimit(RLIMIT_NOFILE, &limit);
  }
  if (limit.rlim_cur >= needed) return wanted;
  return limit.rlim_cur > kOthers * 2 ? (limit.rlim_cur - kOthers) / 2 : limit.rlim_cur / 4;
}

bool is_wildcard(const core::IpAddress& ip) { return ip == core::IpAddress() || (ip.is_v4() && ip.v4_bits() == 0); }
}  // namespace

// Kept alive by the acceptors and by every session, so that none of them needs the Gate itself.
struct Gate::Impl {
  struct Seat {
    io::Loop* loop;
    std::shared_ptr<session::Roster> roster = std::make_shared<session::Roster>();
  };
  std::vector<Seat> seats;
  std::vector<std::optional<io::Listener>>
      listeners;  // empty once its acceptor has ended, so that nobody waits in a backlog
  std::vector<io::Endpoint> bound;
  Limits limits;
  std::shared_ptr<const session::Shared> shared;
  std::size_t next_seat = 0;
  bool draining = false;
  std::atomic<std::uint64_t> accepted{0}, turned_away{0};
  std::atomic<std::size_t> sessions{0};

  static core::Task<void> accept_all(std::shared_ptr<Impl> self, std::size_t index);
  static core::Task<void> serve_one(std::shared_ptr<Impl> self, int fd, io::Endpoint local,
                                    std::shared_ptr<const session::Shared> given,
                                    std::shared_ptr<session::Roster> roster);
  static void hand_over(const std::shared_ptr<Impl>& self, int fd, const io::Endpoint& local);
};

core::Task<void> Gate::Impl::serve_one(std::shared_ptr<Impl> self, int fd, io::Endpoint local,
                                       std::shared_ptr<const session::Shared> given,
                                       std::shared_ptr<session::Roster> roster) {
  co_await session::serve(fd, local, std::move(given), std::move(roster));
  self->sessions.fetch_sub(1, std::memory_order_relaxed);
}

void Gate::Impl::hand_over(const std::shared_ptr<Impl>& self, int fd, const io::Endpoint& local) {
  const Seat& seat = self->seats[self->next_seat];
  self->next_seat = (self->next_seat + 1) % self->seats.size();
  if (seat.loop == &io::Loop::current()) return io::spawn(serve_one(self, fd, local, self->shared, seat.roster));
  auto start = [self, fd, local, given = self->shared, roster = seat.roster] {
    io::spawn(serve_one(self, fd, local, given, roster));
  };
  seat.loop->post(std::move(start));
}

core::Task<void> Gate::Impl::accept_all(std::shared_ptr<Impl> self, std::size_t index) {
  io::Endpoint local = self->bound[index];
  // Port 0 makes the session ask the kernel which of our addresses was meant.
  if (is_wildcard(local.ip)) local.port = 0;
  while (!self->draining) {
    const auto fd = co_await self->listeners[index]->accept();
    if (!fd) break;
    if (self->sessions.load(std::memory_order_relaxed) >= self->limits.sessions) {
      self->turned_away.fetch_add(1, std::memory_order_relaxed);
      turn_away(*fd);
      continue;
    }
    self->sessions.fetch_add(1, std::memory_order_relaxed);
    self->accepted.fetch_add(1, std::memory_order_relaxed);
    hand_over(self, *fd, local);
  }
  self->listeners[index].reset();
}

core::Result<std::unique_ptr<Gate>, std::string> Gate::start(const std::vector<io::Endpoint>& at,
                                                             std::vector<io::Loop*> loops, Limits limits,
                                                             std::shared_ptr<const session::Shared> shared) {
  auto impl = std::make_shared<Impl>();
  for (const io::Endpoint& endpoint : at) {
    auto listener = io::Listener::bind(endpoint);
    if (!listener) return core::error(endpoint.text() + ": " + std::string(io::word(listener.error())));
    impl->bound.push_back(listener->local());
    impl->listeners.emplace_back(std::move(*listener));
  }
  for (io::Loop* loop : loops) impl->seats.push_back({loop});
  impl->limits.sessions = sessions_that_fit(limits.sessions);
  impl->shared = std::move(shared);
  for (std::size_t i = 0; i < impl->listeners.size(); ++i) io::spawn(Impl::accept_all(impl, i));
  return std::unique_ptr<Gate>(new Gate(std::move(impl)));
}

Gate::Gate(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
Gate::~Gate() = default;

const std::vector<io::Endpoint>& Gate::endpoints() const { return impl_->bound; }

void Gate::reload(std::shared_ptr<const session::Shared> shared) { impl_->shared = std::move(shared); }

core::Task<bool> Gate::drain(std::int64_t deadline_ms) {
  auto impl = impl_;
  impl->draining = true;
  for (auto& listener : impl->listeners)
    if (listener) listener->cancel();
  for (const Impl::Seat& seat : impl->seats) {
    auto tell = [roster = seat.roster] { roster->drain(); };
    seat.loop->post(std::move(tell));
  }
  while (impl->sessions.load(std::memory_order_relaxed) > 0) {
    const std::int64_t now_ms = io::now_ms();
    if (now_ms >= deadline_ms) co_return false;
    const auto slept = co_await io::sleep_until(std::min(now_ms + kDrainStepMs, deadline_ms));
    if (!slept) co_return false;
  }
  co_return true;
}

Counts Gate::counts() const {
  return {impl_->accepted.load(std::memory_order_relaxed), impl_->turned_away.load(std::memory_order_relaxed),
          impl_->sessions.load(std::memory_order_relaxed), impl_->limits.sessions};
}

}  // namespace sekisho::mx
