// What a running server does with itself: reload, leave, watch.
#include <algorithm>
#include <atomic>
#include <csignal>

#include "cmd/server.h"
#include "cmd/tables.h"

namespace sekisho::cmd {

namespace {

constexpr std::size_t kMostLines = 20;  // of one refused file

// Only a restart changes these, so the next settings go on with what the server began with.
std::vector<config::Problem> keep_started(const Server& server, Settings& next) {
  std::vector<config::Problem> changed;
  for (const auto& row : option_table().rows()) {
    if (!row.at_start || server.started.show(row.key) == next.values.show(row.key)) continue;
    const std::string key(row.key);
    changed.push_back({next.values.file(), std::max<std::uint32_t>(next.values.line(key), 1),
                       key + ": a change needs a restart; " + server.started.show(key) + " stays in force"});
    log::write<log::Event::k_config_needs_restart>(log::name(key), next.values.line(key));
  }
  const Settings& now = server.settings;
  next.road->node = next.session.node = now.road->node;
  next.road->policy.operator_kind = now.road->policy.operator_kind;
  next.state_dir = now.state_dir;
  next.control_socket = now.control_socket;
  next.threads = now.threads;
  next.metrics = now.metrics;
  next.log_file = now.log_file;
  next.user = now.user;
  next.sandbox = now.sandbox;
  next.receipt_days = now.receipt_days;
  next.road->id = config_id(next.values, server.started);
  return changed;
}

void log_problems(const std::vector<config::Problem>& problems) {
  for (std::size_t i = 0; i < problems.size() && i < kMostLines; ++i)
    log::write<log::Event::k_config_refused>(log::name(problems[i].file), problems[i].line,
                                             log::name(problems[i].message));
}

// Looks at the whole file, then lets every service prepare; "nothing has changed" until all have said yes.
core::Task<Reloaded> try_reload(Server& s, std::string by_whom) {
  std::optional<core::Result<Settings, std::vector<config::Problem>>> loaded;
  std::function<void()> load = [&] { loaded = load_settings(s.config_file); };
  co_await s.pool->run(std::move(load));
  Reloaded out{{}, {}, s.settings.road->id};
  if (!*loaded) {
    out.problems = loaded->error();
    co_return out;
  }
  Settings next = std::move(**loaded);
  for (const auto& service : s.services) {
    const auto problems = service->prepare(next);
    out.problems.insert(out.problems.end(), problems.begin(), problems.end());
  }
  if (!out.problems.empty()) {
    for (const auto& service : s.services) service->drop();
    co_return out;
  }
  out.restart = keep_started(s, next);
  s.limits->reload(next.limits);
  s.octets->set_limit(memory_for_messages(next.memory_bytes));
  log::Level level = log::Level::kInfo;
  if (log::parse_level(next.log_level, level)) s.logger->set_level(level);
  for (const auto& service : s.services) co_await service->commit(next);
  s.settings = std::move(next);
  out.id = s.settings.road->id;
  log::write<log::Event::k_config_loaded>(log::name(s.config_file));
  s.trail->record_lazy(trail::ConfigLoaded{out.id, by_whom});
  co_return out;
}

}  // namespace

core::Task<Reloaded> reload(Server& s, std::string by_whom) {
  while (s.reloading) {  // one after the other
    const auto slept = co_await io::sleep_until(io::now_ms() + 10);
    if (!slept) break;
  }
  if (s.leaving || s.reloading) {
    std::vector<config::Problem> stopping{{s.config_file, 0, "the server is stopping"}};
    co_return Reloaded{std::move(stopping), {}, s.settings.road->id};
  }
  s.reloading = true;
  s.notifier.reloading();
  s.logger->reopen();  // for whoever has moved the old file away
  Reloaded out = co_await try_reload(s, std::move(by_whom));
  s.meter->reload(out.problems.empty());
  if (!out.problems.empty()) {
    log_problems(out.problems);
    const bool denied = std::any_of(out.problems.begin(), out.problems.end(), [](const config::Problem& p) {
      return p.message.find("ermission denied") != std::string::npos;
    });
    if (s.sandboxed && denied)
      out.problems.push_back({s.config_file, 0,
                              "note: in its sandbox the running server reaches only the folders that it was started "
                              "with (docs/security.md); a new one needs a restart"});
  }
  s.notifier.ready(out.problems.empty() ? "takes mail" : "takes mail; the last reload was refused, see the log");
  s.reloading = false;
  co_return out;
}

namespace {
core::Task<void> reload_by_signal(Server& s) {
  const Reloaded done = co_await reload(s, "signal");
  static_cast<void>(done);  // the log has it
}
}  // namespace

core::Task<void> leave(Server& s, std::string why) {
  s.leaving = true;
  const bool handed_over = s.handing_over;
  const std::int64_t grace_ms = s.settings.drain_ms;
  s.notifier.stopping(handed_over ? "hands over to its successor" : "lets transactions end");
  log::write<log::Event::k_stopping>(log::name(why), grace_ms);
  const std::int64_t deadline_ms = io::now_ms() + grace_ms;
  for (const auto& service : s.services) {
    const bool clean = co_await service->drain(deadline_ms);
    static_cast<void>(clean);  // the service has said what was left
    if (s.leaving) continue;   // else the successor has ended, and all is as before
    s.notifier.ready("takes mail");
    co_return;
  }
  s.handing_over = false;
  std::function<void()> save = [&s] { save_temporary(s); };
  co_await s.pool->run(std::move(save));
  s.trail->record_lazy(trail::Stopped{why});
  for (const auto& loop : s.loops) loop->stop();
}

core::Task<void> obey_signals(Server& s) {
  const int signals[] = {SIGTERM, SIGINT, SIGHUP};
  for (;;) {
    const auto signal = co_await io::wait_signal(signals);
    if (!signal) co_return;
    if (*signal == SIGHUP) {
      io::spawn(reload_by_signal(s));
    } else if (!s.leaving) {
      s.asked_to_end = true;
      io::spawn(leave(s, "signal"));
    } else if (std::exchange(s.asked_to_end, true)) {
      log::write<log::Event::k_stopping>("second signal", 0);
      s.gate->hurry();
    }
  }
}

namespace {
struct Beats {
  explicit Beats(std::size_t loops) : last_ms(loops) {}
  std::vector<std::atomic<std::int64_t>> last_ms;
};

core::Task<void> beat(std::shared_ptr<Beats> beats, std::size_t loop, std::int64_t every_ms) {
  for (;;) {
    beats->last_ms[loop].store(io::now_ms(), std::memory_order_relaxed);
    const auto slept = co_await io::sleep_until(io::now_ms() + every_ms);
    if (!slept) co_return;
  }
}
}  // namespace

core::Task<void> keep_watchdog(Server& s) {
  const std::int64_t within_ms = s.notifier.watchdog_ms();
  if (within_ms == 0) co_return;
  const auto beats = std::make_shared<Beats>(s.loops.size());
  for (auto& last : beats->last_ms) last = io::now_ms();
  for (std::size_t i = 0; i < s.loops.size(); ++i) {
    auto start = [beats, i, within_ms] { io::spawn(beat(beats, i, std::max<std::int64_t>(within_ms / 10, 1))); };
    s.loops[i]->post(std::move(start));
  }
  for (;;) {
    const auto slept = co_await io::sleep_until(io::now_ms() + std::max<std::int64_t>(within_ms / 4, 1));
    if (!slept) co_return;
    bool all = true;
    for (std::size_t i = 0; i < beats->last_ms.size(); ++i) {
      const std::int64_t still_ms = io::now_ms() - beats->last_ms[i].load(std::memory_order_relaxed);
      if (still_ms <= within_ms / 2) continue;
      all = false;
      log::write<log::Event::k_loop_stalled>(i, still_ms);
    }
    if (all) s.notifier.alive();
  }
}

}  // namespace sekisho::cmd
