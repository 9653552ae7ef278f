#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/core/network.h"
#include "base/log/log.h"
#include "service/mediator/dialogue.h"

namespace sekisho::mediator {

namespace {

constexpr std::size_t kReadOctets = 4096;  // some 300 questions of a pipeline: about a millisecond
constexpr std::int64_t kDrainStepMs = 10, kLogEveryMs = 10'000;

std::string_view name_of(Protocol protocol) {
  constexpr std::string_view kNames[] = {"socketmap", "tcp_forward", "tcp_reverse"};
  return kNames[static_cast<std::size_t>(protocol)];
}

}  // namespace

// Kept alive by the acceptors and by every session.
struct Mediator::Impl {
  struct Door {
    io::Listener listener;
    Protocol protocol;
    std::string at;  // for people
    bool tcp;
    bool accepting = false;
  };
  struct Session {
    explicit Session(int fd) : socket(fd) {}
    io::Socket socket;
    std::string peer;      // "" until it is known: a TCP client
    bool waiting = false;  // nothing has been asked
  };
  std::vector<std::shared_ptr<Door>> doors;
  std::set<Session*> sessions;
  Limits limits;
  std::shared_ptr<const Policy> policy;
  const core::Clock& clock;
  Meter& meter;
  bool draining = false;
  std::int64_t logged_ms = 0;
  std::uint64_t not_logged = 0;

  Impl(Limits l, std::shared_ptr<const Policy> p, const core::Clock& c, Meter& m)
      : limits(std::move(l)), policy(std::move(p)), clock(c), meter(m) {}

  static core::Task<void> accept_all(std::shared_ptr<Impl> self, std::shared_ptr<Door> door);
  static core::Task<void> serve(std::shared_ptr<Impl> self, int fd, std::string peer, Protocol protocol);
  static core::Task<End> talk(Impl& self, Session& session, Protocol protocol);
  void take(const std::shared_ptr<Impl>& self, int fd, const Door& door);
  void complain(std::string_view peer, std::string_view why);
};

// A broken client comes again and again: one line in ten seconds tells of all.
void Mediator::Impl::complain(std::string_view peer, std::string_view why) {
  const std::int64_t now_ms = io::now_ms();
  if (logged_ms != 0 && now_ms - logged_ms < kLogEveryMs) {
    ++not_logged;
    return;
  }
  logged_ms = now_ms;
  log::write<log::Event::k_mediator_refused>(log::name(peer), log::name(why), std::exchange(not_logged, 0));
}

void Mediator::Impl::take(const std::shared_ptr<Impl>& self, int fd, const Door& door) {
  if (sessions.size() < limits.sessions) return io::spawn(serve(self, fd, door.tcp ? "" : door.at, door.protocol));
  ::close(fd);
  meter.turned_away("full");
  complain(door.at, "full");
}

core::Task<void> Mediator::Impl::accept_all(std::shared_ptr<Impl> self, std::shared_ptr<Door> door) {
  door->accepting = true;
  while (!self->draining) {
    const auto fd = co_await door->listener.accept();
    if (fd) {
      self->take(self, *fd, *door);
      continue;
    }
    if (fd.error() == io::IoError::kCancelled) break;
    const auto slept = co_await io::sleep_until(io::now_ms() + 100);
    if (!slept) break;
  }
  door->accepting = false;
}

core::Task<End> Mediator::Impl::talk(Impl& self, Session& session, Protocol protocol) {
  Dialogue dialogue(protocol);
  const Ask ask = [&self](Direction direction, std::string_view key) {
    Answer found = answer(*self.policy, direction, key, self.clock.now_s());
    self.meter.asked(found);
    if (found.outcome == Outcome::kTooLong) log::write<log::Event::k_mediator_too_long>(key.size(), srs::kAddressMost);
    return found;
  };
  std::int64_t begun_ms = 0;  // of the open question
  while (!self.draining || dialogue.open()) {
    session.waiting = !dialogue.open();
    if (session.waiting) begun_ms = 0;
    const std::int64_t now_ms = io::now_ms();
    if (!session.waiting && begun_ms == 0) begun_ms = now_ms;
    const std::int64_t deadline_ms = session.waiting ? now_ms + self.limits.idle_ms : begun_ms + self.limits.request_ms;
    const auto readable = co_await session.socket.wait_readable(deadline_ms);
    if (!readable) {
      const bool late = readable.error() == io::IoError::kTimeout;
      co_return late ? (session.waiting ? End::kIdle : End::kSlow) : End::kLost;
    }
    session.waiting = false;
    std::string out;
    std::optional<End> end;
    {
      // Readable, so nothing waits here and the buffer is every session's.
      static thread_local std::array<char, kReadOctets> buffer;
      const auto got = co_await session.socket.read(buffer, io::now_ms() + self.limits.request_ms);
      if (!got) co_return got.error() == io::IoError::kEof ? End::kClosed : End::kLost;
      end = dialogue.feed({buffer.data(), *got}, ask, out);
    }
    const auto sent = co_await session.socket.write(out, io::now_ms() + self.limits.request_ms);
    if (!sent) co_return sent.error() == io::IoError::kTimeout ? End::kSlow : End::kLost;
    if (end) co_return *end;
    if (!out.empty()) begun_ms = 0;
  }
  co_return End::kClosed;
}

core::Task<void> Mediator::Impl::serve(std::shared_ptr<Impl> self, int fd, std::string peer, Protocol protocol) {
  Session session(fd);
  session.peer = std::move(peer);
  if (session.peer.empty()) {
    const io::Endpoint remote = session.socket.remote();
    session.peer = remote.text();
    session.socket.set_no_delay();  // the second half of a pipeline's answers would wait for an acknowledgement
    if (!core::in_any(self->limits.from, remote.ip)) {
      self->meter.turned_away("not_allowed");
      self->complain(session.peer, "not_allowed");
      co_return;
    }
  }
  self->sessions.insert(&session);
  const End end = co_await talk(*self, session, protocol);
  self->sessions.erase(&session);
  self->meter.ended(end);
  if (end == End::kMalformed || end == End::kTooLarge || end == End::kSlow) self->complain(session.peer, word(end));
}

Mediator::Mediator(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

Mediator::~Mediator() {
  impl_->draining = true;
  for (const auto& door : impl_->doors) door->listener.cancel();
  for (auto* session : impl_->sessions) session->socket.cancel();
}

core::Result<std::unique_ptr<Mediator>, std::string> Mediator::start(const Doors& doors, Limits limits,
                                                                     std::shared_ptr<const Policy> policy,
                                                                     const core::Clock& clock, Meter& meter) {
  auto impl = std::make_shared<Impl>(std::move(limits), std::move(policy), clock, meter);
  std::string fault;
  const auto add = [&](core::Result<io::Listener, io::IoError> listener, Protocol protocol, const std::string& at) {
    if (!listener && fault.empty()) fault = at + ": " + std::string(io::word(listener.error()));
    if (!listener) return;
    const bool tcp = at != doors.unix_socketmap;
    const std::string shown = tcp ? listener->local().text() : at;
    impl->doors.push_back(std::make_shared<Impl::Door>(Impl::Door{std::move(*listener), protocol, shown, tcp}));
  };
  for (const auto& at : doors.socketmap) add(io::Listener::bind(at), Protocol::kSocketmap, at.text());
  for (const auto& at : doors.tcp_forward) add(io::Listener::bind(at), Protocol::kTcpForward, at.text());
  for (const auto& at : doors.tcp_reverse) add(io::Listener::bind(at), Protocol::kTcpReverse, at.text());
  if (!doors.unix_socketmap.empty())
    add(io::Listener::bind_unix(doors.unix_socketmap, 0666), Protocol::kSocketmap, doors.unix_socketmap);
  if (!fault.empty()) return core::error(fault);
  for (const auto& door : impl->doors) io::spawn(Impl::accept_all(impl, door));
  return std::unique_ptr<Mediator>(new Mediator(std::move(impl)));
}

void Mediator::reload(std::shared_ptr<const Policy> policy, Limits limits) {
  impl_->policy = std::move(policy);
  impl_->limits = std::move(limits);
}

core::Task<bool> Mediator::drain(std::int64_t deadline_ms) {
  impl_->draining = true;
  const auto busy = [this] {
    bool any = !impl_->sessions.empty();
    for (const auto& door : impl_->doors) {
      if (!door->accepting) continue;
      door->listener.cancel();
      any = true;
    }
    for (auto* session : impl_->sessions)
      if (session->waiting) session->socket.cancel();
    return any;
  };
  while (busy()) {
    if (io::now_ms() >= deadline_ms) break;
    const auto slept = co_await io::sleep_until(std::min(deadline_ms, io::now_ms() + kDrainStepMs));
    if (!slept) break;
  }
  for (auto* session : impl_->sessions) session->socket.cancel();
  const bool clean = impl_->sessions.empty();
  impl_->doors.clear();  // a closed door refuses at once, so that the MTA need not wait
  co_return clean;
}

std::vector<std::string> Mediator::addresses() const {
  std::vector<std::string> out;
  for (const auto& door : impl_->doors) out.push_back(std::string(name_of(door->protocol)) + " " + door->at);
  return out;
}

std::size_t Mediator::sessions() const { return impl_->sessions.size(); }

}  // namespace sekisho::mediator
