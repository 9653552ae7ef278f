// sekisho serve -c FILE [--take-over]
#include <pthread.h>

#include <csignal>
#include <cstdio>
#include <thread>

#include "cmd/commands.h"
#include "cmd/egress_service.h"
#include "cmd/present.h"
#include "cmd/start.h"
#include "cmd/watch.h"

namespace sekisho::cmd {

namespace {

void say(const std::string& text) {
  std::fprintf(stderr, "sekisho: %s\n", text.c_str());
  std::fflush(stderr);
}

// Runs on the first loop from the first port to the last session.
core::Task<void> stand(Server& s) {
  for (const auto& service : s.services) {
    s.failure = co_await service->start();
    if (s.failure.empty()) continue;
    for (auto& loop : s.loops) loop->stop();
    co_return;
  }
  io::spawn(obey_signals(s));  // before anybody is let in
  s.egress_gate->add(take_doors(s.doors, s.settings.egress_listen));
  s.egress_gate->add(take_doors(s.handed, s.settings.egress_listen), true);
  for (const auto& endpoint : s.egress_gate->endpoints())
    log::write<log::Event::k_listening>("egress", log::name(endpoint.text()));
  s.gate->add(std::exchange(s.doors, {}));
  s.gate->add(std::exchange(s.handed, {}), true);
  for (const auto& endpoint : s.gate->endpoints())
    log::write<log::Event::k_listening>("mx", log::name(endpoint.text()));
  log::write<log::Event::k_ready>(log::name(s.settings.values.text("server.mode")), s.loops.size());
  s.trail->record_lazy(trail::Started{SEKISHO_VERSION, s.settings.road->id});
  s.trail->record_lazy(trail::ConfigLoaded{s.settings.road->id, "serve"});
  s.notifier.ready("takes mail");
  io::spawn(keep_retention(s));
  io::spawn(keep_temporary(s));
  for (std::size_t i = 0; i < s.loops.size(); ++i) {
    auto measure = [&s, i] { io::spawn(measure_lag(s.lag, i)); };
    s.loops[i]->post(std::move(measure));
  }
  Watched watched{*s.trail, *s.gate, *s.octets, s.stubs, s.settings.state_dir};
  io::spawn(watch(std::move(watched)));
  io::spawn(s.roads->survey());
  io::spawn(keep_watchdog(s));
}

void run_loop(io::Loop& loop, std::size_t number) {
  ::pthread_setname_np(::pthread_self(), ("loop-" + std::to_string(number)).c_str());
  loop.run();
}

// "" or why the server cannot stand. Until its end there is one thread.
std::string prepare(Server& s, bool take_over) {
  std::optional<control::Handing> before;
  std::string fault;
  if (take_over) {
    auto asked = ask_for_doors(s);
    if (!asked) return asked.error();
    if (*asked) before.emplace(std::move(**asked));
  }
  if (!before) fault = open_doors(s);
  if (fault.empty()) fault = step_down(s);
  if (!fault.empty()) return fault;
  const std::int64_t asked_ms = s.clock.steady_ms();
  if (before) {
    fault = wait_for_predecessor(*before, s);
    if (fault.empty()) log::write<log::Event::k_took_over>(s.doors.size(), s.clock.steady_ms() - asked_ms);
  } else if (take_over) {
    log::write<log::Event::k_nobody_to_take_over>(log::name(s.settings.control_socket));
  }
  return fault.empty() ? open_state(s, before.has_value()) : fault;
}

}  // namespace

int serve(const Arguments& arguments) {
  std::string file;
  bool take_over = false;
  Cli cli("serve",
          "Stands at the checkpoint until SIGTERM or SIGINT; then transactions may end (server.drain_ms), a second "
          "signal ends at once. SIGHUP reads the config again.",
          "  sekisho serve -c /etc/sekisho/sekisho.toml\n  sekisho serve -c /etc/sekisho/sekisho.toml --take-over");
  cli.text("-c,--config", file, "the config file", true);
  cli.flag("--take-over", take_over,
           "take the ports of the server that runs now and begin when it has ended: no connection is refused");
  if (const auto status = cli.parse(arguments)) return *status;
  auto settings = load_settings(file);
  if (!settings) return tell_problems(settings.error()), 2;
  std::signal(SIGHUP, SIG_IGN);  // until there is something to reload
  Server s;
  s.config_file = file;
  s.settings = std::move(*settings);
  s.started = s.settings.values;
  const std::int64_t started_ms = s.clock.steady_ms();
  const std::string fault = prepare(s, take_over);
  if (!fault.empty()) return say(fault), 2;
  add_services(s);
  std::vector<std::thread> threads;
  for (std::size_t i = 1; i < s.loops.size(); ++i) threads.emplace_back(run_loop, std::ref(*s.loops[i]), i);
  s.loops.front()->post([&s] { io::spawn(stand(s)); });
  s.loops.front()->run();
  for (auto& thread : threads) thread.join();
  if (!s.failure.empty()) return say(s.failure), 2;
  log::write<log::Event::k_stopped>((s.clock.steady_ms() - started_ms) / 1000);
  return 0;
}

}  // namespace sekisho::cmd
