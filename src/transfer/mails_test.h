#pragma once
// Mails through one NextHop to a fake next hop, for the tests of the SMTP and LMTP client.
#include "base/core/text.h"
#include "transfer/fake_hop.h"

namespace sekisho::transfer {

using core::Task;
using After = Answer::After;
using Outcomes = std::vector<RcptOutcome>;

inline const std::string kMail = "From: a@sender.example\r\nSubject: x\r\n\r\nbody\r\n.dot\r\n";
inline Envelope envelope(std::vector<std::string> rcpts) {
  return {"a..b.@sender.example", std::move(rcpts), true, kMail.size()};
}
inline Envelope envelope() { return envelope({"user@dest.example"}); }

struct Ran {
  Outcomes outcomes;
  std::vector<Outcomes> all;
  std::shared_ptr<FakeHop> hop;
  Stats stats;
};
// One mail after the other through one NextHop, all on one loop.
inline Task<Ran> mails(FakeHop::Script script, Envelope mail, int count, Kind kind,
                       std::function<void(FakeHop&, Options&)> adjust) {
  Ran run;
  run.hop = FakeHop::start(std::move(script));
  Options options = run.hop->options(kind);
  if (adjust) adjust(*run.hop, options);
  NextHop next(options, bench().clock, bench().random, bench().pool);
  for (int i = 0; i < count; ++i) {
    auto outcomes = co_await relay(next, mail, kMail);
    run.all.push_back(std::move(outcomes));
  }
  run.outcomes = run.all.back();
  run.stats = next.stats();
  run.hop->stop();
  co_return run;
}
inline Ran go(FakeHop::Script script = {}, Envelope mail = envelope(), int count = 1, Kind kind = Kind::kSmtp,
              std::function<void(FakeHop&, Options&)> adjust = {}) {
  return io::run(mails(std::move(script), std::move(mail), count, kind, std::move(adjust)));
}
// A script that says `answer` to lines that begin with verb (on connections from `from` to `to`), else the usual.
inline FakeHop::Script on(std::string verb, Answer answer, int from = 1, int to = 99) {
  return [=](const std::string& line, int connection) {
    const bool mine = verb.empty() ? line.empty() : core::istarts_with(line, verb);
    return mine && connection >= from && connection <= to ? answer : Answer{"usual"};
  };
}

}  // namespace sekisho::transfer
