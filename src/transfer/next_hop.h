#pragma once
// Inner header: what a NextHop and its transactions share.
#include "transfer/exchange.h"
#include "transfer/probe.h"

namespace sekisho::transfer {

struct NextHop::Impl {
  std::shared_ptr<const Options> options;
  core::Clock& clock;
  core::Random& random;
  io::Pool& pool;
  std::shared_ptr<Stats> stats = std::make_shared<Stats>();
  std::shared_ptr<SessionPool> sessions;
  std::shared_ptr<SessionPool> probe_sessions;
  std::unique_ptr<Prober> prober;
  bool meeting = false;
  std::int64_t meet_after_ms = 0;  // steady; the next try to learn what the hop offers

  Impl(Options given, core::Clock& c, core::Random& r, io::Pool& p);
};

struct Transaction::Impl {
  std::shared_ptr<NextHop::Impl> hop;
  Envelope envelope;
  std::vector<RcptOutcome> rcpts;
  std::unique_ptr<Exchange> exchange;  // empty for a Maildir and once all is over
  bool retried = false;
  bool met = true;

  // MAIL to DATA, once more on a fresh session when a kept one turned out to be dead.
  core::Task<void> begin();
  core::Task<std::vector<RcptOutcome>> send(std::shared_ptr<const mail::Message> message, Edits edits);
  core::Task<std::vector<RcptOutcome>> send_to_maildir(std::shared_ptr<const mail::Message> message, Edits edits);
};

}  // namespace sekisho::transfer
