#include "cmd/watch.h"

#include <sys/resource.h>

#include <utility>

#include "base/io/descriptors.h"
#include "base/io/io.h"
#include "base/log/log.h"

namespace sekisho::cmd {

namespace {

constexpr std::int64_t kLookMs = 1000;
constexpr int kQuietLooks = 10;

// A count that rises while something is wrong. It has begun with the first rise and is over when it stood still for a
// while.
class Rising {
 public:
  explicit Rising(std::uint64_t at) : last_(at) {}
  bool begins(std::uint64_t now) {
    const bool rose = std::exchange(last_, now) != now;
    quiet_ = rose ? 0 : quiet_ + 1;
    if (quiet_ >= kQuietLooks) on_ = false;
    return rose && !std::exchange(on_, true);
  }

 private:
  std::uint64_t last_;
  int quiet_ = 0;
  bool on_ = false;
};

class Watch {
 public:
  explicit Watch(Watched watched)
      : w_(std::move(watched)),
        memory_(w_.octets.refused()),
        sessions_(w_.gate.counts().turned_away),
        descriptors_(io::descriptors_refused()) {}

  void look() {
    store();
    disk();
    resolver();
    memory();
    const auto gate = w_.gate.counts();
    if (sessions_.begins(gate.turned_away)) log::write<log::Event::k_sessions_full>("mx", gate.sessions_limit);
    if (!descriptors_.begins(io::descriptors_refused())) return;
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    log::write<log::Event::k_descriptors_short>(limit.rlim_cur, limit.rlim_cur);
  }

 private:
  void store() {
    const auto counts = w_.trail.ledger().counts();
    const bool failed = std::exchange(failures_, counts.failed_commits + counts.rewrites) != failures_;
    if (failed && !std::exchange(store_bad_, true))
      log::write<log::Event::k_store_failed>(log::name(w_.state_dir), log::name(counts.last_failure));
    else if (store_bad_ && !failed && !counts.failing)
      store_bad_ = false, log::write<log::Event::k_store_recovered>(log::name(w_.state_dir));
  }

  // Messages that were cut short for it, or MAIL that is refused because little is left.
  void memory() {
    const std::uint64_t used = w_.octets.used(), limit = w_.octets.limit();
    if (used / 9 >= limit / 10) ++pressed_;
    if (memory_.begins(w_.octets.refused() + pressed_)) log::write<log::Event::k_memory_short>(used, limit);
  }

  void disk() {
    const bool is_short = w_.trail.ledger().short_of_disk();
    if (is_short == std::exchange(disk_short_, is_short)) return;
    const std::uint64_t free = store::FileOps::system().free_bytes(w_.state_dir).value_or(0);
    if (is_short)
      log::write<log::Event::k_disk_short>(log::name(w_.state_dir), free);
    else
      log::write<log::Event::k_disk_again>(log::name(w_.state_dir), free);
  }

  // Down: look-ups run out of time and no reply at all has come meanwhile.
  void resolver() {
    const auto stats = w_.stubs.back()->stats();
    const bool replied = stats.replies != replies_, late = stats.timeouts != timeouts_;
    replies_ = stats.replies;
    timeouts_ = stats.timeouts;
    if (replied && std::exchange(resolver_down_, false))
      log::write<log::Event::k_resolver_up>("dns.servers");
    else if (!replied && late && !std::exchange(resolver_down_, true))
      log::write<log::Event::k_resolver_down>("dns.servers", "no reply in time");
  }

  Watched w_;
  Rising memory_, sessions_, descriptors_;
  std::uint64_t pressed_ = 0, failures_ = 0, replies_ = 0, timeouts_ = 0;
  bool store_bad_ = false, disk_short_ = false, resolver_down_ = false;
};

}  // namespace

core::Task<void> watch(Watched watched) {
  Watch eye(std::move(watched));
  for (;;) {
    const auto slept = co_await io::sleep_until(io::now_ms() + kLookMs);
    if (!slept) co_return;
    eye.look();
  }
}

}  // namespace sekisho::cmd
