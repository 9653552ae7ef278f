// CPU per mail of the client to the next hop, beside smtp-source of Postfix, both to the same smtp-sink over kept
// sessions: ninja bench_transfer && build/release/bench/bench_transfer [MAILS] [OCTETS]
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "transfer/transfer.h"

using namespace sekisho;

namespace {
double cpu_us(int who) {
  rusage usage{};
  getrusage(who, &usage);
  const auto us = [](const timeval& t) { return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_usec); };
  return us(usage.ru_utime) + us(usage.ru_stime);
}
template <class... Args>
pid_t start(const char* path, Args... args) {
  const pid_t pid = fork();
  if (pid != 0) return pid;
  execl(path, path, args..., nullptr);
  _exit(127);
}

core::Task<int> relay_all(transfer::Options options, std::shared_ptr<const mail::Message> message, int count) {
  core::SystemClock clock;
  core::SystemRandom random;
  io::Pool pool(1);
  transfer::NextHop hop(options, clock, random, pool);
  int delivered = 0;
  for (int i = 0; i < count; ++i) {
    transfer::Envelope envelope{"a@sender.example", {}, true, message->size()};
    envelope.rcpts.push_back("user@dest.example");
    transfer::Edits edits;
    edits.prepend.push_back("Received: from client.example by mx.example;\r\n\tMon, 1 Jan 2024 00:00:00 +0000");
    auto transaction = co_await hop.open(std::move(envelope));
    auto outcomes = co_await transaction.send(message, std::move(edits));
    delivered += outcomes[0].outcome == transfer::Outcome::kDelivered;
  }
  co_return delivered;
}
}  // namespace

int main(int argc, char** argv) {
  const int count = argc > 1 ? std::atoi(argv[1]) : 20000;
  const int octets = argc > 2 ? std::atoi(argv[2]) : 9000;
  const std::string at = "127.0.0.1:" + std::to_string(20000 + getpid() % 10000);
  const pid_t sink = start("/usr/sbin/smtp-sink", "-8", "-u", "nobody", at.c_str(), "100");
  usleep(300'000);

  std::string text = "From: a@sender.example\r\nSubject: bench\r\n\r\n";
  while (text.size() < static_cast<std::size_t>(octets)) text += std::string(70, 'x') + "\r\n";
  core::Budget budget;
  auto message = mail::Message::parse(std::move(text), budget);
  transfer::Options options;
  options.address = *io::Endpoint::parse(at);
  const double before = cpu_us(RUSAGE_SELF);
  const int delivered = io::run(relay_all(options, *message, count));
  const double ours = (cpu_us(RUSAGE_SELF) - before) / count;

  const double peer_before = cpu_us(RUSAGE_CHILDREN);
  waitpid(start("/usr/sbin/smtp-source", "-d", "-m", std::to_string(count).c_str(), "-l",
                std::to_string(octets).c_str(), "-f", "a@sender.example", "-t", "user@dest.example", at.c_str()),
          nullptr, 0);
  const double peer = (cpu_us(RUSAGE_CHILDREN) - peer_before) / count;
  const double sink_before = cpu_us(RUSAGE_CHILDREN);
  kill(sink, SIGTERM);
  waitpid(sink, nullptr, 0);
  const double sunk = (cpu_us(RUSAGE_CHILDREN) - sink_before) / (2.0 * count);
  std::printf(
      "%d mails of %d octets, %d delivered\nours %.1f us, smtp-source %.1f us, smtp-sink %.1f us per mail; "
      "ours/smtp-source %.2f\n",
      count, octets, delivered, ours, peer, sunk, ours / peer);
  return delivered == count ? 0 : 1;
}
