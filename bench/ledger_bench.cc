// The ledger: records a second with many appenders, latency at 2,000 records a second, CPU per record and per whole
// mail (decided, outcome and their index entries). The floor is the disk itself: the same octets written and synced by
// a plain loop.
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "base/io/io.h"
#include "cpu.h"
#include "trail/trail.h"

namespace {
using namespace sekisho;

double wall_us() {
  timespec t{};
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_nsec) / 1e3;
}

trail::Decided typical(std::uint64_t n) {
  core::SystemRandom random;
  trail::Decided d;
  d.transaction = core::TransactionId::make(static_cast<std::int64_t>(n), 1, random);
  d.session = core::TransactionId::make(static_cast<std::int64_t>(n), 1, random);
  d.client = {core::IpAddress::v4(0xc0000200u + static_cast<std::uint32_t>(n & 0xff)),
              40000,
              core::IpAddress::v4(0xc6336401u),
              25,
              "mail.sender.example",
              "mail.sender.example",
              "TLSv1.3 TLS_AES_256_GCM_SHA384"};
  d.mail_from = "bounce+" + std::to_string(n) + "@sender.example";
  d.recipients = {{{}, "dest.example", "user" + std::to_string(n % 1000) + "@dest.example", ""}};
  d.message_id = std::to_string(n) + ".20261124@author.example";
  d.author_address = "news@author.example";
  d.author_domain = "author.example";
  d.size_bytes = 9000;
  random.fill(d.digest.data(), d.digest.size());
  d.findings = {{"dkim", "key_short", "policy", "1024"}};
  d.authentication = {{"spf", "pass", "sender.example", "ip4:192.0.2.0/24"},
                      {"dkim", "pass", "author.example", "s1"},
                      {"dmarc", "pass", "author.example", "reject"}};
  d.action = d.would_be = "accept";
  d.lawful_basis = "legitimate_business_act";
  d.stage_times = {{"connection", 100}, {"envelope", 50}, {"identity", 900}};
  d.mode = "enforce";
  d.road = "inbound";
  d.config_id = "0123456789abcdef";
  return d;
}

core::Task<void> appender(store::Ledger& ledger, const std::string& fields, int count, int& running, io::Loop& loop) {
  for (int i = 0; i < count; ++i) {
    store::Record record{16, 0, fields};
    auto at = co_await ledger.append(std::move(record));
    if (!at) std::fprintf(stderr, "%s\n", at.error().text().c_str());
  }
  if (--running == 0) loop.stop();
}

void saturate(const std::string& folder, const std::string& fields) {
  store::LedgerSettings settings;
  settings.folder = folder + "/saturate";
  auto ledger = store::Ledger::open(settings);
  io::Loop loop;
  constexpr int kTasks = 256, kEach = 400;
  int running = kTasks;
  const double cpu = cpu_us(), wall = wall_us();
  loop.post([&] {
    for (int i = 0; i < kTasks; ++i) io::spawn(appender(**ledger, fields, kEach, running, loop));
  });
  loop.run();
  const double records = kTasks * kEach, seconds = (wall_us() - wall) / 1e6;
  const auto counts = (*ledger)->counts();
  std::printf("ledger, 256 appenders: %.0f records/s, %.1f us CPU a record, %.1f records a commit\n", records / seconds,
              (cpu_us() - cpu) / records, records / static_cast<double>(counts.commits));
}

core::Task<void> timed(store::Ledger& ledger, const std::string& fields, std::vector<double>& latencies) {
  const double start = wall_us();
  store::Record record{16, 0, fields};
  auto at = co_await ledger.append(std::move(record));
  if (at) latencies.push_back(wall_us() - start);
}

core::Task<void> paced(store::Ledger& ledger, const std::string& fields, std::vector<double>& latencies, int total,
                       io::Loop& loop) {
  const std::int64_t start = io::now_ms();
  for (int sent = 0; sent < total;) {
    const auto slept = co_await io::sleep_until(io::now_ms() + 1);
    if (!slept) break;
    for (const std::int64_t due = std::min<std::int64_t>(total, (io::now_ms() - start) * 2); sent < due; ++sent)
      io::spawn(timed(ledger, fields, latencies));
  }
  const auto last = co_await io::sleep_until(io::now_ms() + 500);
  (void)last;
  loop.stop();
}

void pace(const std::string& folder, const std::string& fields) {
  store::LedgerSettings settings;
  settings.folder = folder + "/pace";
  auto ledger = store::Ledger::open(settings);
  io::Loop loop;
  std::vector<double> latencies;
  const double cpu = cpu_us();
  loop.post([&] { io::spawn(paced(**ledger, fields, latencies, 10'000, loop)); });
  loop.run();
  const double used = cpu_us() - cpu;
  std::sort(latencies.begin(), latencies.end());
  const auto at = [&](double p) {
    return latencies[static_cast<std::size_t>(p * static_cast<double>(latencies.size() - 1))] / 1000;
  };
  std::printf(
      "ledger, 2,000 records/s: p50 %.2f ms, p99 %.2f ms, p99.9 %.2f ms, %.1f us CPU a record (loop and timer "
      "included), "
      "%.1f records a commit\n",
      at(0.5), at(0.99), at(0.999), used / static_cast<double>(latencies.size()),
      static_cast<double>(latencies.size()) / static_cast<double>((*ledger)->counts().commits));
}

void floor_of_disk(const std::string& folder, const std::string& fields) {
  const int fd = ::open((folder + "/floor").c_str(), O_WRONLY | O_CREAT, 0600);
  std::string block;
  for (int i = 0; i < 8; ++i) block += fields;
  std::vector<double> latencies;
  const double cpu = cpu_us();
  constexpr int kRounds = 2000;
  for (int i = 0; i < kRounds; ++i) {
    const double start = wall_us();
    if (::write(fd, block.data(), block.size()) < 0 || ::fdatasync(fd) != 0) std::perror("floor");
    latencies.push_back(wall_us() - start);
  }
  ::close(fd);
  std::sort(latencies.begin(), latencies.end());
  std::printf("disk alone, 8 records a write + fdatasync: p50 %.2f ms, p99 %.2f ms, %.1f us CPU a commit\n",
              latencies[kRounds / 2] / 1000, latencies[kRounds * 99 / 100] / 1000, (cpu_us() - cpu) / kRounds);
}

core::Task<void> mails(trail::Trail& trail, int count, int& running, io::Loop& loop) {
  for (int i = 0; i < count; ++i) {
    trail::Decided decided = typical(static_cast<std::uint64_t>(running) * 100'000 + static_cast<std::uint64_t>(i));
    trail::Outcome outcome;
    outcome.transaction = decided.transaction;
    outcome.delivered = true;
    outcome.next_hop = "postfix";
    outcome.next_hop_reply = "250 2.0.0 Ok: queued as 4QxYZ";
    outcome.queue_id = "4QxYZ" + std::to_string(i);
    trail::Event event = std::move(decided);
    auto at = co_await trail.record(std::move(event));
    if (!at) std::fprintf(stderr, "%s\n", at.error().text().c_str());
    trail.record_lazy(std::move(outcome));
  }
  if (--running == 0) loop.stop();
}

void whole(const std::string& folder) {
  trail::TrailSettings settings;
  settings.ledger.folder = folder + "/whole";
  settings.index_folder = folder + "/index";
  auto trail = trail::Trail::open(settings);
  if (!trail) return void(std::fprintf(stderr, "%s\n", trail.error().text().c_str()));
  io::Loop loop;
  constexpr int kTasks = 64, kEach = 500;
  int running = kTasks;
  const double cpu = cpu_us(), wall = wall_us();
  loop.post([&] {
    for (int i = 0; i < kTasks; ++i) io::spawn(mails(**trail, kEach, running, loop));
  });
  loop.run();
  const double seconds = (wall_us() - wall) / 1e6;
  trail->reset();
  constexpr double kMails = kTasks * kEach;
  std::printf("trail, decided + outcome + index: %.0f mails/s, %.1f us CPU a mail\n", kMails / seconds,
              (cpu_us() - cpu) / kMails);

  double start = wall_us();
  const auto report = store::Ledger::verify_folder(settings.ledger.folder);
  if (report && report->ok())
    std::printf("verify: %.0f records/s\n", static_cast<double>(report->records) / (wall_us() - start) * 1e6);
  std::filesystem::remove_all(settings.index_folder);
  start = wall_us();
  trail = trail::Trail::open(settings);
  if (!trail) return;
  while ((*trail)->indexed_seq() < (*trail)->ledger().last_seq()) ::usleep(1000);
  std::printf("index rebuilt from nothing: %.0f records/s\n",
              static_cast<double>((*trail)->indexed_seq()) / (wall_us() - start) * 1e6);
}
}  // namespace

int main() {
  char name[] = "/var/tmp/ledger-bench-XXXXXX";
  const std::string folder = ::mkdtemp(name);
  const std::string fields = trail::encode(typical(7));
  std::printf("a typical decided record has %zu octets\n", fields.size());
  floor_of_disk(folder, fields);
  saturate(folder, fields);
  pace(folder, fields);
  whole(folder);
  std::filesystem::remove_all(folder);
  return 0;
}
