// Not part of the product: an mx gate whose road takes everything for dest.example and throws it away. For dialogues
// from outside and for measuring what a gate alone costs. usage: gate_probe ADDRESS:PORT [THREADS [CERTIFICATE KEY]]
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "../tests/support/gate_road.h"
#include "gate/mx/mx.h"

namespace {
using namespace sekisho;

core::Task<void> until_signal(mx::Gate& gate, std::vector<io::Loop*> loops) {
  const int signals[] = {SIGTERM, SIGINT};
  const auto got = co_await io::wait_signal(signals);
  const bool done = co_await gate.drain(io::now_ms() + 2'000);
  const auto counts = gate.counts();
  std::printf("%llu connections, %s\n", static_cast<unsigned long long>(counts.accepted),
              got.ok() && done ? "drained" : "cut");
  for (io::Loop* loop : loops) loop->stop();
}
}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  const auto at = io::Endpoint::parse(argv[1]);
  const int threads = argc > 2 ? std::atoi(argv[2]) : 1;
  core::SystemClock clock;
  core::SystemRandom random;
  smtp::OctetPool pool(256u << 20);
  auto book = std::make_shared<session::TestBook>();
  book->remember = false;
  session::Settings settings;
  settings.smtp.host_name = "mx.sekisho.example";
  if (argc > 4) {
    auto tls = io::TlsContext::server(argv[3], argv[4]);
    if (!tls) return std::fprintf(stderr, "%s\n", tls.error().c_str()), 2;
    settings.tls = *tls;
    settings.smtp.starttls = true;
  }
  auto make_road = [book](const session::SessionFacts&) { return std::make_unique<session::TestRoad>(book); };
  auto shared = std::make_shared<const session::Shared>(session::Shared{settings, make_road, clock, random, pool});

  std::vector<std::unique_ptr<io::Loop>> loops;
  std::vector<io::Loop*> all;
  for (int i = 0; i < threads; ++i) all.push_back(loops.emplace_back(std::make_unique<io::Loop>()).get());
  auto gate = mx::Gate::start({at.value_or(io::Endpoint{})}, all, {.sessions = 20'000}, shared);
  if (!gate) return std::fprintf(stderr, "%s\n", gate.error().c_str()), 2;
  std::printf("%s\n", (*gate)->endpoints()[0].text().c_str());
  std::fflush(stdout);
  io::spawn(until_signal(**gate, all));
  std::vector<std::thread> others;
  for (std::size_t i = 1; i < all.size(); ++i) others.emplace_back([loop = all[i]] { loop->run(); });
  all[0]->run();
  for (auto& thread : others) thread.join();
}
