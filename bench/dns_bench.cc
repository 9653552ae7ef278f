// DNS look-ups: the overlay and a cache hit in nanoseconds; queries to nsd on loopback, 200 at a time, beside the C
// library's resolver (one at a time, its only way).
#include <arpa/nameser.h>
#include <netinet/in.h>
#include <resolv.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/dns/stub.h"
#include "base/dns/zone.h"

namespace {

using namespace sekisho;
constexpr int kQueries = 40'000, kAtATime = 200, kHits = 2'000'000, kCold = 100'000;

double seconds(clockid_t clock) {
  timespec t;
  clock_gettime(clock, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
}

void report(const char* what, int count, double wall, double cpu) {
  std::printf("%-34s %10.0f /s  %8.3f us cpu each\n", what, count / wall, cpu / count * 1e6);
}

template <class F>
void measure(const char* what, int count, F work) {
  const double wall = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
  work();
  report(what, count, seconds(CLOCK_MONOTONIC) - wall, seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu);
}

struct Nsd {
  std::string folder = "/tmp/dns_bench_XXXXXX";
  std::uint16_t port = static_cast<std::uint16_t>(20000 + getpid() % 10000);
  pid_t pid = -1;

  Nsd() {
    if (!mkdtemp(folder.data())) std::abort();
    std::ofstream(folder + "/zone") << "$ORIGIN toy.test.\n$TTL 300\n@ SOA ns host 1 2 3 4 5\n@ NS ns\nns A 127.0.0.1\n"
                                    << "*.q A 192.0.2.1\n*.q TXT \"v=spf1 ip4:192.0.2.0/24 -all\"\n";
    std::ofstream(folder + "/nsd.conf") << "server:\n  ip-address: 127.0.0.1@" << port
                                        << "\n  username: \"\"\n  chroot: \"\"\n  zonesdir: \"" << folder
                                        << "\"\n  pidfile: \"" << folder
                                        << "/pid\"\n  xfrdfile: \"\"\n  zonelistfile: \"" << folder
                                        << "/list\"\n  xfrdir: \"" << folder
                                        << "\"\n  rrl-ratelimit: 0\n  rrl-whitelist-ratelimit: 0\n"
                                        << "remote-control:\n  control-enable: no\n"
                                        << "zone:\n  name: toy.test\n  zonefile: zone\n";
    const std::string config = folder + "/nsd.conf";
    if ((pid = fork()) == 0) {
      execl("/usr/sbin/nsd", "nsd", "-d", "-c", config.c_str(), nullptr);
      _exit(127);
    }
    usleep(700'000);
  }
  ~Nsd() {
    kill(pid, SIGTERM);
    waitpid(pid, nullptr, 0);
    std::filesystem::remove_all(folder);
  }
};

// A recursive server that knows nothing yet and asks nsd for every name.
struct Unbound {
  const Nsd& nsd;
  std::uint16_t port = static_cast<std::uint16_t>(nsd.port + 10'000);
  pid_t pid = -1;

  explicit Unbound(const Nsd& authority) : nsd(authority) {
    const std::string config = nsd.folder + "/unbound.conf";
    std::ofstream(config)
        << "server:\n  interface: 127.0.0.1@" << port
        << "\n  do-daemonize: no\n  username: \"\"\n  chroot: \"\"\n  directory: \"" << nsd.folder
        << "\"\n  pidfile: \"\"\n  use-syslog: no\n  do-not-query-localhost: no\n"
        << "  module-config: \"iterator\"\n  num-threads: 1\n  local-zone: \"test.\" nodefault\n"
        << "remote-control:\n  control-enable: no\nstub-zone:\n  name: toy.test\n  stub-addr: 127.0.0.1@" << nsd.port
        << "\n";
    if ((pid = fork()) == 0) {
      execl("/usr/sbin/unbound", "unbound", "-d", "-c", config.c_str(), nullptr);
      _exit(127);
    }
    usleep(700'000);
  }
  ~Unbound() {
    kill(pid, SIGTERM);
    waitpid(pid, nullptr, 0);
  }
};

core::Task<int> ask_many(dns::Resolver& stub, int first, int step, int count, dns::Type type) {
  core::Budget budget;
  int good = 0;
  for (int i = first; i < count; i += step) {
    budget.dns_queries = 10;
    dns::Name name = *dns::Name::parse("n" + std::to_string(i) + ".q.toy.test");
    const auto answer = co_await stub.lookup(std::move(name), type, budget);
    good += answer->code == dns::Code::kRecords;
  }
  co_return good;
}

core::Task<int> ask_all(dns::Resolver& stub, int at_a_time, int count, dns::Type type) {
  std::vector<core::Task<int>> lanes;
  for (int i = 0; i < at_a_time; ++i) lanes.push_back(ask_many(stub, i, at_a_time, count, type));
  const auto goods = co_await core::when_all(std::move(lanes));
  int sum = 0;
  for (const int good : goods) sum += good;
  co_return sum;
}

void hits(const char* what, dns::Resolver& resolver, const dns::Name& name) {
  measure(what, kHits, [&] {
    for (int i = 0; i < kHits; ++i) {
      if (!resolver.ready(name, dns::Type::kA)) std::abort();
    }
  });
}

void c_library(const Nsd& nsd) {
  struct __res_state state {};
  if (res_ninit(&state) != 0) return;
  state.nscount = 1;
  state.nsaddr_list[0] = {};
  state.nsaddr_list[0].sin_family = AF_INET;
  state.nsaddr_list[0].sin_port = htons(nsd.port);
  state.nsaddr_list[0].sin_addr.s_addr = htonl(0x7f000001);
  measure("C library, nsd", kQueries / 4, [&] {
    unsigned char reply[1500];
    for (int i = 0; i < kQueries / 4; ++i) {
      const std::string name = "n" + std::to_string(i) + ".q.toy.test";
      if (res_nquery(&state, name.c_str(), ns_c_in, ns_t_a, reply, sizeof reply) < 0) std::abort();
    }
  });
  res_nclose(&state);
}

// Far more look-ups at a time than a cold server can take: every one must be answered.
bool cold(const Nsd& nsd) {
  if (access("/usr/sbin/unbound", X_OK) != 0) return std::puts("unbound is not installed"), true;
  const Unbound unbound(nsd);
  core::SystemClock clock;
  core::SystemRandom random;
  dns::StubOptions options;
  options.servers = {{core::IpAddress::v4(0x7f000001), unbound.port}};
  const auto stub = dns::make_stub(options, clock, random);
  int good = 0;
  measure("stub, cold unbound, 5000 at a time", kCold,
          [&] { good = io::run(ask_all(*stub, 5000, kCold, dns::Type::kTxt)); });
  const auto stats = stub->stats();
  std::printf("right answers %d of %d, queries %llu, timeouts %llu, SERVFAIL %llu\n", good, kCold,
              static_cast<unsigned long long>(stats.queries), static_cast<unsigned long long>(stats.timeouts),
              static_cast<unsigned long long>(stats.servfails));
  return good == kCold;
}

}  // namespace

int main() {
  dns::Zone zone;
  for (int i = 0; i < 10'000; ++i) zone.add("n" + std::to_string(i) + ".example", dns::Type::kA, "192.0.2.1");
  const auto overlay = dns::make_overlay(zone, nullptr);
  hits("overlay, ready()", *overlay, *dns::Name::parse("n777.example"));
  if (access("/usr/sbin/nsd", X_OK) != 0) return std::puts("nsd is not installed: no queries measured"), 0;
  const Nsd nsd;
  core::SystemClock clock;
  core::SystemRandom random;
  dns::StubOptions options;
  options.servers = {{core::IpAddress::v4(0x7f000001), nsd.port}};
  const auto stub = dns::make_stub(options, clock, random);
  int good = 0;
  measure("stub, nsd, 200 at a time", kQueries,
          [&] { good = io::run(ask_all(*stub, kAtATime, kQueries, dns::Type::kA)); });
  hits("stub, cache hit, ready()", *stub, *dns::Name::parse("n777.q.toy.test"));
  c_library(nsd);
  const auto stats = stub->stats();
  std::printf("right answers %d of %d, queries %llu, timeouts %llu\n", good, kQueries,
              static_cast<unsigned long long>(stats.queries), static_cast<unsigned long long>(stats.timeouts));
  return (cold(nsd) && good == kQueries) ? 0 : 1;
}
