#include "gate/mx/mx.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>
#include <utility>

namespace sekisho::mx {
namespace {
constexpr std::int64_t kDrainStepMs = 20;

// RFC 5321 section 3.8: 421 when the service is not available. The socket is new, so the line always fits.
void turn_away(int fd, std::string_view reply) {
  [[maybe_unused]] const auto sent = ::send(fd, reply.data(), reply.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
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
  // What becomes of a door's queue when its acceptor ends.
  enum class Leaving : std::uint8_t { kNo, kServe, kTurnAway, kKeep };
  struct Door {
    io::Listener listener;
    io::Endpoint at;
    bool shared;
    Leaving leaving = Leaving::kNo;
    bool accepting = false;
    bool again = false;  // opened again before its acceptor saw that it was to end
  };
  std::vector<Seat> seats;
  std::vector<std::shared_ptr<Door>> doors;  // an ended one is taken out and closed, so that nobody waits in its queue
  std::shared_ptr<const session::Shared> shared;
  std::size_t next_seat = 0;
  bool draining = false, hurried = false, handed_over = false;
  std::atomic<std::uint64_t> accepted{0}, turned_away{0};
  std::atomic<std::size_t> sessions{0}, sessions_limit{0};

  static core::Task<void> accept_all(std::shared_ptr<Impl> self, std::shared_ptr<Door> door);
  static core::Task<void> serve_one(std::shared_ptr<Impl> self, int fd, io::Endpoint local,
                                    std::shared_ptr<const session::Shared> given,
                                    std::shared_ptr<session::Roster> roster);
  static void take(const std::shared_ptr<Impl>& self, int fd, const io::Endpoint& at);
  static void hand_over_to_loop(const std::shared_ptr<Impl>& self, int fd, const io::Endpoint& local);
  static void open(const std::shared_ptr<Impl>& self, const std::shared_ptr<Door>& door);
  void leave(Leaving how) {
    for (const auto& door : doors) {
      door->leaving = door->shared ? Leaving::kKeep : how;
      door->listener.cancel();
    }
  }
  // An acceptor that was not waiting when its door was to be left has not heard of it: it is told again.
  bool still_accepts() const {
    bool any = false;
    for (const auto& door : doors) {
      if (!door->accepting) continue;
      door->listener.cancel();
      any = true;
    }
    return any;
  }
  template <class Work>
  void on_rosters(Work work) {
    for (const Seat& seat : seats) {
      auto tell = [roster = seat.roster, work] { work(*roster); };
      seat.loop->post(std::move(tell));
    }
  }
};

core::Task<void> Gate::Impl::serve_one(std::shared_ptr<Impl> self, int fd, io::Endpoint local,
                                       std::shared_ptr<const session::Shared> given,
                                       std::shared_ptr<session::Roster> roster) {
  co_await session::serve(fd, local, std::move(given), std::move(roster));
  self->sessions.fetch_sub(1, std::memory_order_relaxed);
}

void Gate::Impl::hand_over_to_loop(const std::shared_ptr<Impl>& self, int fd, const io::Endpoint& local) {
  const Seat& seat = self->seats[self->next_seat];
  self->next_seat = (self->next_seat + 1) % self->seats.size();
  if (seat.loop == &io::Loop::current()) return io::spawn(serve_one(self, fd, local, self->shared, seat.roster));
  auto start = [self, fd, local, given = self->shared, roster = seat.roster] {
    io::spawn(serve_one(self, fd, local, given, roster));
  };
  seat.loop->post(std::move(start));
}

void Gate::Impl::take(const std::shared_ptr<Impl>& self, int fd, const io::Endpoint& at) {
  if (self->sessions.load(std::memory_order_relaxed) >= self->sessions_limit.load(std::memory_order_relaxed)) {
    self->turned_away.fetch_add(1, std::memory_order_relaxed);
    return turn_away(fd, "421 4.3.2 Too many sessions, come again later\r\n");
  }
  self->sessions.fetch_add(1, std::memory_order_relaxed);
  self->accepted.fetch_add(1, std::memory_order_relaxed);
  // Port 0 makes the session ask the kernel which of our addresses was meant.
  hand_over_to_loop(self, fd, is_wildcard(at.ip) ? io::Endpoint{at.ip, 0} : at);
}

core::Task<void> Gate::Impl::accept_all(std::shared_ptr<Impl> self, std::shared_ptr<Door> door) {
  while (door->leaving == Leaving::kNo) {
    const auto fd = co_await door->listener.accept();
    if (fd) take(self, *fd, door->at);
    if (!fd && !std::exchange(door->again, false)) break;
  }
  door->accepting = false;
  if (door->leaving == Leaving::kKeep) co_return;
  // A closed door resets who waits in its queue; they have done nothing wrong.
  for (auto fd = door->listener.try_accept(); fd && door->leaving != Leaving::kNo; fd = door->listener.try_accept()) {
    if (door->leaving == Leaving::kServe)
      take(self, *fd, door->at);
    else
      turn_away(*fd, "421 4.3.2 Service shutting down, come again later\r\n");
  }
  std::erase(self->doors, door);
}

void Gate::Impl::open(const std::shared_ptr<Impl>& self, const std::shared_ptr<Door>& door) {
  door->leaving = Leaving::kNo;
  door->again = door->accepting;
  if (!std::exchange(door->accepting, true)) io::spawn(accept_all(self, door));
}

core::Result<std::vector<io::Listener>, std::string> Gate::bind(const std::vector<io::Endpoint>& at) {
  std::vector<io::Listener> out;
  for (const io::Endpoint& endpoint : at) {
    auto listener = io::Listener::bind(endpoint);
    if (!listener) return core::error(endpoint.text() + ": " + std::string(io::word(listener.error())));
    out.push_back(std::move(*listener));
  }
  return out;
}

core::Result<std::unique_ptr<Gate>, std::string> Gate::start(const std::vector<io::Endpoint>& at,
                                                             std::vector<io::Loop*> loops, Limits limits,
                                                             std::shared_ptr<const session::Shared> shared) {
  auto doors = bind(at);
  if (!doors) return core::error(doors.error());
  return start(std::move(*doors), std::move(loops), limits, std::move(shared));
}

std::unique_ptr<Gate> Gate::start(std::vector<io::Listener> doors, std::vector<io::Loop*> loops, Limits limits,
                                  std::shared_ptr<const session::Shared> shared) {
  auto impl = std::make_shared<Impl>();
  for (io::Loop* loop : loops) impl->seats.push_back({loop});
  std::unique_ptr<Gate> gate(new Gate(std::move(impl)));
  gate->reload(std::move(shared), limits);
  gate->add(std::move(doors));
  return gate;
}

Gate::Gate(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
Gate::~Gate() = default;

std::vector<io::Endpoint> Gate::endpoints() const {
  std::vector<io::Endpoint> out;
  for (const auto& door : impl_->doors) out.push_back(door->at);
  return out;
}

void Gate::reload(std::shared_ptr<const session::Shared> shared, Limits limits) {
  impl_->shared = std::move(shared);
  impl_->sessions_limit = sessions_that_fit(limits.sessions);
}

void Gate::add(std::vector<io::Listener> doors, bool shared) {
  for (io::Listener& listener : doors) {
    const io::Endpoint at = listener.local();
    impl_->doors.emplace_back(new Impl::Door{std::move(listener), at, shared});
    Impl::open(impl_, impl_->doors.back());
  }
}

void Gate::remove(const io::Endpoint& at) {
  for (const auto& door : impl_->doors) {
    if (door->at != at) continue;
    door->leaving = Impl::Leaving::kServe;
    door->listener.cancel();
  }
}

core::Task<bool> Gate::drain(std::int64_t deadline_ms) {
  auto impl = impl_;
  impl->draining = true;
  impl->hurried = false;
  if (!impl->handed_over) impl->leave(Impl::Leaving::kTurnAway);
  impl->on_rosters([](session::Roster& roster) { roster.drain(); });
  for (;;) {
    const bool accepting = impl->still_accepts();
    if (!impl->draining || (!accepting && impl->sessions.load(std::memory_order_relaxed) == 0)) break;
    const std::int64_t now_ms = io::now_ms();
    if (now_ms >= deadline_ms || impl->hurried) co_return false;
    const auto slept = co_await io::sleep_until(std::min(now_ms + (accepting ? 1 : kDrainStepMs), deadline_ms));
    if (!slept) co_return false;
  }
  co_return impl->draining;
}

void Gate::hurry() { impl_->hurried = true; }

std::vector<int> Gate::hand_over() {
  std::vector<int> out;
  impl_->handed_over = true;
  impl_->leave(Impl::Leaving::kKeep);
  for (const auto& door : impl_->doors)
    if (const int fd = ::fcntl(door->listener.fd(), F_DUPFD_CLOEXEC, 3); fd >= 0) out.push_back(fd);
  return out;
}

void Gate::take_back() {
  impl_->handed_over = impl_->draining = false;
  impl_->on_rosters([](session::Roster& roster) { roster.go_on(); });
  for (const auto& door : impl_->doors) Impl::open(impl_, door);
}

Counts Gate::counts() const {
  return {impl_->accepted.load(std::memory_order_relaxed), impl_->turned_away.load(std::memory_order_relaxed),
          impl_->sessions.load(std::memory_order_relaxed), impl_->sessions_limit.load(std::memory_order_relaxed)};
}

}  // namespace sekisho::mx
