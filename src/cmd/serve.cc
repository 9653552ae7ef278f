// sekisho serve -c FILE
#include <sys/stat.h>

#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <future>
#include <thread>

#include "base/control/control.h"
#include "base/core/memory.h"
#include "base/core/text.h"
#include "base/dns/zone.h"
#include "base/log/log.h"
#include "base/store/file_ops.h"
#include "cmd/certificate_watch.h"
#include "cmd/commands.h"
#include "cmd/control_desk.h"
#include "cmd/meter.h"
#include "cmd/settings.h"
#include "cmd/watch.h"

namespace sekisho::cmd {

namespace {

// All that lives as long as the server, in the order it is built; taken down in reverse.
struct Serving {
  Settings settings;
  core::SystemClock clock;
  core::SystemRandom random;
  std::unique_ptr<io::Pool> pool;
  std::unique_ptr<trail::Trail> trail;
  std::unique_ptr<override_::Overrides> overrides;
  std::unique_ptr<partial::Memory> partial;
  partial::Doubts doubts;
  std::unique_ptr<receipt::KeyRing> receipts;
  std::unique_ptr<dns::Resolver> resolver;
  const dns::StubResolver* stub = nullptr;  // inside of resolver
  std::unique_ptr<connection::Limits> limits;
  connection::Patience patience;
  verdict::TempErrorMemory temporary;
  std::unique_ptr<RoadMeter> meter;
  std::unique_ptr<smtp::OctetPool> octets;
  LagMeter lag;
  std::vector<std::unique_ptr<io::Loop>> loops;
  std::mutex worlds_mutex;
  std::map<io::Loop*, std::unique_ptr<inbound::World>> worlds;  // a loop's next hops belong to it
  std::unique_ptr<mx::Gate> gate;
  // Requests may still be answered while the loops end, so these outlive stand().
  std::unique_ptr<ControlDesk> desk;
  std::unique_ptr<MetricsPage> page;
  std::unique_ptr<CertificateWatch> certificates;
  std::string failure;

  inbound::World& world() {
    io::Loop* loop = &io::Loop::current();
    const std::lock_guard lock(worlds_mutex);
    auto& world = worlds[loop];
    if (!world) {
      world.reset(new inbound::World{[this] { return std::shared_ptr<const inbound::Config>(settings.road); },
                                     *resolver,
                                     clock,
                                     random,
                                     *trail,
                                     *limits,
                                     patience,
                                     *overrides,
                                     temporary,
                                     *receipts,
                                     *partial,
                                     doubts,
                                     *pool,
                                     *meter,
                                     {}});
      for (transfer::Options o : settings.hops) {
        o.sessions_count = std::max<std::size_t>(1, o.sessions_count / loops.size());
        const std::string name = o.name;
        world->hops.emplace(name, std::make_unique<transfer::NextHop>(std::move(o), clock, random, *pool));
      }
    }
    return *world;
  }
};

void say(const std::string& text) {
  std::fprintf(stderr, "sekisho: %s\n", text.c_str());
  std::fflush(stderr);
}

std::string make_folder(const std::string& path) {
  std::error_code fault;
  const bool made = std::filesystem::create_directories(path, fault);
  if (fault) return path + ": " + fault.message();
  if (made) ::chmod(path.c_str(), 0700);
  return {};
}

std::string temporary_file(const Serving& s) { return s.settings.state_dir + "/temperrors"; }

// The hours of a sender whose DNS fails go on over a restart.
void save_temporary(Serving& s) {
  const std::string file = temporary_file(s);
  const auto saved = store::replace_file(store::FileOps::system(), file, s.temporary.text(s.clock.now_s()), 0600, true);
  if (!saved) log::write<log::Event::k_store_report>(log::name(file), log::name(std::strerror(saved.error())));
}

core::Task<void> keep_temporary(Serving& s) {
  for (std::uint64_t saved = s.temporary.changes();;) {
    const auto slept = co_await io::sleep_until(io::now_ms() + 60'000);
    if (!slept) co_return;
    if (s.temporary.changes() == saved) continue;
    saved = s.temporary.changes();
    std::function<void()> save = [&s] { save_temporary(s); };
    co_await s.pool->run(std::move(save));
  }
}

// Opens files and keys; "" or what went wrong.
std::string open_state(Serving& s) {
  const std::string folder_fault = make_folder(s.settings.state_dir);
  if (!folder_fault.empty()) return folder_fault;
  s.pool = std::make_unique<io::Pool>(4);
  s.settings.trail.pool = s.pool.get();
  auto trail = trail::Trail::open(s.settings.trail);
  if (!trail) return trail.error().text();
  s.trail = std::move(*trail);
  for (const auto& report : s.trail->reports())
    log::write<log::Event::k_store_report>(log::name(s.settings.state_dir), log::name(report));
  auto overrides = override_::Overrides::open(s.settings.state_dir + "/overrides");
  if (!overrides) return overrides.error();
  s.overrides = std::move(*overrides);
  auto partial = partial::Memory::open(s.settings.state_dir + "/partial", s.clock.now_s());
  if (!partial) return partial.error();
  s.partial = std::move(*partial);
  receipt::Settings receipts;
  receipts.keep_s = s.settings.receipt_days * 86400;
  const std::string key_file = s.settings.state_dir + "/receipt.keys";
  auto ring = receipt::KeyRing::open(key_file, receipts, s.random, s.clock.now_s());
  if (!ring)
    return key_file + ": " +
           (ring.error() == receipt::KeyError::kMalformed ? "is no key file of ours; move it away to begin a new one"
                                                          : "cannot be read or written");
  s.receipts = std::move(*ring);
  // Without the file senders only wait anew.
  if (const auto faults = store::read_file(temporary_file(s), 16 << 20)) s.temporary.read(*faults, s.clock.now_s());
  for (const auto& hop : s.settings.hops) {
    const std::string fault = hop.folder.empty() ? "" : make_folder(hop.folder);
    if (!fault.empty()) return fault;
  }
  return {};
}

std::string open_dns(Serving& s) {
  std::unique_ptr<dns::StubResolver> stub = dns::make_stub(s.settings.dns, s.clock, s.random);
  s.stub = stub.get();
  if (s.settings.zone_file.empty()) {
    s.resolver = std::move(stub);
    return {};
  }
  auto zone = dns::Zone::read(s.settings.zone_file);
  if (!zone) return s.settings.zone_file + ": " + zone.error().text();
  s.resolver = dns::make_overlay(*zone, std::move(stub));
  return {};
}

core::Task<void> survey_hops(Serving& s) {
  auto& world = s.world();
  for (auto& [name, hop] : world.hops) {
    if (hop->options().kind == transfer::Kind::kMaildir) continue;
    const auto* domain = s.settings.road->domains.first();
    const auto survey = co_await hop->survey(domain->name.text());
    const auto hop_name = log::name(name);
    if (survey.accepts_foreign_rcpt) log::write<log::Event::k_next_hop_relays>(hop_name);
    if (survey.accepts_random_rcpt && domain->check == envelope::Check::kProbe)
      log::write<log::Event::k_next_hop_takes_all>(hop_name);
  }
}

core::Task<void> upkeep(Serving& s) {
  for (;;) {
    const auto rotated = s.receipts->rotate(s.clock.now_s());
    if (!rotated) log::write<log::Event::k_receipt_keys_kept>("the key file cannot be written");
    std::function<void()> retain = [&s] {
      if (const auto days = s.trail->ledger().doubted_days(); days > 0) log::write<log::Event::k_clock_doubted>(days);
      const auto today = static_cast<std::int32_t>(s.clock.now_s() / 86400);
      const auto gone = s.trail->retain(today - static_cast<std::int32_t>(s.settings.retention_days));
      if (!gone) log::write<log::Event::k_retention_failed>(log::name(gone.error().text()));
    };
    co_await s.pool->run(std::move(retain));
    auto slept = co_await io::sleep_until(io::now_ms() + 3'600'000);
    if (!slept) co_return;
  }
}

core::Result<std::unique_ptr<log::Logger>, log::LogError> open_log(const Settings& settings) {
  log::Options options;
  options.sink = settings.log_file.empty() ? log::Sink::kStderr : log::Sink::kFile;
  options.path = settings.log_file;
  log::parse_level(settings.log_level, options.level);
  return log::Logger::open(options);
}

// Half of what the process may use at most: the rest is for sockets, indexes and the program.
std::uint64_t memory_for_messages(std::uint64_t wanted) {
  const std::uint64_t machine = core::memory_allowed_bytes();
  if (machine == 0 || wanted <= machine / 2) return wanted;
  log::write<log::Event::k_memory_capped>(wanted, machine, machine / 2);
  return machine / 2;
}

void stop_loops(Serving& s) {
  for (auto& loop : s.loops) loop->stop();
}

// Runs on the first loop from the first port to the last session.
core::Task<void> stand(Serving& s) {
  auto shared = std::make_shared<const session::Shared>(session::Shared{
      s.settings.session, [&s](const session::SessionFacts& facts) { return inbound::make_road(s.world(), facts); },
      s.clock, s.random, *s.octets, s.pool.get()});
  std::vector<io::Loop*> loops;
  for (auto& loop : s.loops) loops.push_back(loop.get());
  auto gate = mx::Gate::start(s.settings.mx, std::move(loops), s.settings.gate, shared);
  if (!gate) {
    s.failure = gate.error();
    stop_loops(s);
    co_return;
  }
  s.gate = std::move(*gate);
  s.desk.reset(new ControlDesk{*s.trail, *s.overrides, *s.receipts, s.clock, *s.pool});
  control::Handler handler = [&s](std::string request) { return s.desk->answer(std::move(request)); };
  auto control = control::Server::start(s.settings.control_socket, handler);
  if (!control) {
    s.failure = "control socket " + s.settings.control_socket + ": " + std::string(io::word(control.error()));
    stop_loops(s);
    co_return;
  }
  s.page = std::make_unique<MetricsPage>(s.settings.metrics, *s.meter, *s.gate, *s.trail, *s.octets, s.lag);
  if (!s.page->failure().empty()) {
    s.failure = s.page->failure();
    stop_loops(s);
    co_return;
  }
  for (const auto& endpoint : s.gate->endpoints())
    log::write<log::Event::k_listening>("mx", log::name(endpoint.text()));
  if (s.settings.metrics) log::write<log::Event::k_listening>("metrics", log::name(s.settings.metrics->text()));
  log::write<log::Event::k_ready>(log::name(s.settings.values.text("server.mode")), s.loops.size());
  s.trail->record_lazy(trail::Started{SEKISHO_VERSION, s.settings.road->id});
  s.trail->record_lazy(trail::ConfigLoaded{s.settings.road->id, "serve"});
  s.certificates = std::make_unique<CertificateWatch>(s.clock, *s.pool, *s.meter);
  s.certificates->use(s.settings.certificates);
  io::spawn(s.certificates->run());
  io::spawn(upkeep(s));
  io::spawn(keep_temporary(s));
  for (std::size_t i = 0; i < s.loops.size(); ++i) {
    auto measure = [&s, i] { io::spawn(measure_lag(s.lag, i)); };
    s.loops[i]->post(std::move(measure));
  }
  Watched watched{*s.trail, *s.gate, *s.octets, *s.stub, s.settings.state_dir};
  io::spawn(watch(std::move(watched)));
  io::spawn(survey_hops(s));
  const int signals[] = {SIGTERM, SIGINT};
  auto signal = co_await io::wait_signal(signals);
  log::write<log::Event::k_stopping>("signal", 30'000);
  const bool clean = co_await s.gate->drain(io::now_ms() + 30'000);
  if (!clean) log::write<log::Event::k_sessions_left>(s.gate->counts().sessions);
  control->stop();
  s.page->stop();
  if (s.temporary.changes() > 0) save_temporary(s);
  s.trail->record_lazy(trail::Stopped{signal ? "signal" : "loop"});
  stop_loops(s);
}

}  // namespace

int serve(const Arguments& arguments) {
  std::string file;
  Cli cli("serve", "Stands at the checkpoint until SIGTERM or SIGINT; then sessions end their transactions.",
          "  sekisho serve -c /etc/sekisho/sekisho.toml");
  cli.text("-c,--config", file, "the config file", true);
  if (const auto status = cli.parse(arguments)) return *status;
  auto settings = load_settings(file);
  if (!settings) {
    for (const auto& p : settings.error()) std::fprintf(stderr, "%s\n", p.text().c_str());
    return 2;
  }
  auto logger = open_log(*settings);
  if (!logger) return say(settings->log_file + ": the log file cannot be opened; is the folder there and writable?"), 2;
  Serving s;
  s.settings = std::move(*settings);
  const std::int64_t started_ms = s.clock.steady_ms();
  log::write<log::Event::k_started>(SEKISHO_VERSION, log::name(file));
  std::string fault = open_state(s);
  if (fault.empty()) fault = open_dns(s);
  if (!fault.empty()) return say(fault), 2;
  s.limits = std::make_unique<connection::Limits>(s.settings.limits);
  s.octets = std::make_unique<smtp::OctetPool>(memory_for_messages(s.settings.memory_bytes));
  s.meter = std::make_unique<RoadMeter>();
  for (std::size_t i = 0; i < s.settings.threads; ++i) s.loops.push_back(std::make_unique<io::Loop>());
  std::vector<std::thread> threads;
  for (std::size_t i = 1; i < s.loops.size(); ++i) threads.emplace_back([&s, i] { s.loops[i]->run(); });
  s.loops.front()->post([&s] { io::spawn(stand(s)); });
  s.loops.front()->run();
  for (auto& thread : threads) thread.join();
  s.page.reset();
  s.desk.reset();
  s.gate.reset();
  s.worlds.clear();
  if (!s.failure.empty()) return say(s.failure), 2;
  log::write<log::Event::k_stopped>((s.clock.steady_ms() - started_ms) / 1000);
  return 0;
}

}  // namespace sekisho::cmd
