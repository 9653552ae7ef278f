#include "transfer/next_hop.h"

#include <algorithm>
#include <tuple>

#include "transfer/maildir.h"

namespace sekisho::transfer {
namespace {
// Postfix allows one client 50 connections: probes get few of their own.
constexpr std::size_t kProbeSessions = 2;
// A client waits for its EHLO meanwhile.
constexpr std::int64_t kMeetMs = 2'000;
constexpr std::int64_t kMeetAgainMs = 10'000;
constexpr std::int64_t kMeetStepMs = 20;  // between looks at what another session's try has brought
}  // namespace

NextHop::Impl::Impl(Options given, core::Clock& c, core::Random& r, io::Pool& p)
    : options(std::make_shared<const Options>(std::move(given))), clock(c), random(r), pool(p) {
  PoolLimits limits;
  limits.sessions = std::max<std::size_t>(options->sessions_count, 1);
  sessions = std::make_shared<SessionPool>(options, limits, stats);
  limits.sessions = kProbeSessions;
  probe_sessions = std::make_shared<SessionPool>(options, limits, stats);
  prober = std::make_unique<Prober>(options, probe_sessions, stats);
}

bool Options::operator==(const Options& o) const {
  const auto settings = [](const Options& x) {
    return std::tie(x.name, x.kind, x.address, x.unix_path, x.folder, x.tls, x.tls_context, x.tls_name,
                    x.sessions_count, x.timeout_ms, x.dot_timeout_ms, x.helo_domain, x.xforward);
  };
  return settings(*this) == settings(o);
}

NextHop::NextHop(Options options, core::Clock& clock, core::Random& random, io::Pool& pool)
    : impl_(std::make_shared<Impl>(std::move(options), clock, random, pool)) {}
NextHop::~NextHop() { close_idle(); }
const Options& NextHop::options() const { return *impl_->options; }

std::optional<Capabilities> NextHop::capabilities() const {
  if (impl_->options->kind == Kind::kMaildir) {
    Capabilities all;
    all.pipelining = all.eight_bit_mime = all.smtp_utf8 = true;
    return all;
  }
  return impl_->options->offer->get();
}
core::Task<void> NextHop::meet() {
  auto hold = impl_;
  while (hold->meeting && !hold->options->offer->get()) {
    const auto slept = co_await io::sleep_until(io::now_ms() + kMeetStepMs);
    if (!slept) co_return;
  }
  if (hold->options->kind == Kind::kMaildir || hold->options->offer->get() || io::now_ms() < hold->meet_after_ms)
    co_return;
  hold->meeting = true;
  hold->meet_after_ms = io::now_ms() + kMeetAgainMs;
  Options quick = *hold->options;
  quick.timeout_ms = std::min(quick.timeout_ms, kMeetMs);
  auto session = co_await Session::open(quick);
  hold->meeting = false;
  if (!session) co_return;
  hold->options->offer->set((*session)->capabilities());
  co_await (*session)->quit();
}
Stats NextHop::stats() const {
  Stats out = *impl_->stats;
  out.sessions_open = impl_->sessions->open_count() + impl_->probe_sessions->open_count();
  return out;
}
void NextHop::close_idle() {
  impl_->sessions->close_idle();
  impl_->probe_sessions->close_idle();
}

core::Task<Transaction> NextHop::open(Envelope envelope) {
  auto impl = std::make_unique<Transaction::Impl>();
  impl->hop = impl_;
  impl->envelope = std::move(envelope);
  impl->rcpts.resize(impl->envelope.rcpts.size());
  co_await impl->begin();
  co_return Transaction(std::move(impl));
}

core::Task<ProbeAnswer> NextHop::probe(std::string rcpt) {
  auto hold = impl_;
  if (hold->options->kind == Kind::kMaildir) {
    const bool fits = mailbox_folder(rcpt, hold->options->helo_domain).has_value();
    if (fits) co_return ProbeAnswer{ProbeAnswer::Kind::kExists, {250, "2.1.5", {"Ok"}}};
    co_return ProbeAnswer{ProbeAnswer::Kind::kUnknown, {550, "5.1.1", {"No such mailbox"}}};
  }
  co_return co_await hold->prober->probe(std::move(rcpt));
}

core::Task<Survey> NextHop::survey(std::string local_domain) {
  auto hold = impl_;
  if (hold->options->kind == Kind::kMaildir) co_return Survey{true, {}, false, true};
  const std::string token = "sekisho-probe-" + std::to_string(hold->random.u64());
  Survey out;
  // RFC 2606: nobody lives at example.com, and no message follows.
  const ProbeAnswer foreign = co_await hold->prober->ask(token + "@example.com", &out.reachable);
  if (!out.reachable) {
    out.failure = foreign.reply;
    co_return out;
  }
  const ProbeAnswer local = co_await hold->prober->ask(token + "@" + local_domain);
  out.accepts_foreign_rcpt = foreign.kind == ProbeAnswer::Kind::kExists;
  out.accepts_random_rcpt = local.kind == ProbeAnswer::Kind::kExists;
  co_return out;
}

Transaction::Transaction(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Transaction::Transaction(Transaction&&) noexcept = default;
Transaction& Transaction::operator=(Transaction&&) noexcept = default;
Transaction::~Transaction() = default;
const std::vector<RcptOutcome>& Transaction::rcpts() const { return impl_->rcpts; }
bool Transaction::any_accepted() const {
  return std::any_of(impl_->rcpts.begin(), impl_->rcpts.end(),
                     [](const RcptOutcome& each) { return each.outcome == Outcome::kAccepted; });
}
bool Transaction::met() const { return impl_->met; }
core::Task<std::vector<RcptOutcome>> Transaction::send(std::shared_ptr<const mail::Message> message, Edits edits) {
  if (!any_accepted()) co_return impl_->rcpts;
  if (impl_->hop->options->kind == Kind::kMaildir)
    co_return co_await impl_->send_to_maildir(std::move(message), std::move(edits));
  co_return co_await impl_->send(std::move(message), std::move(edits));
}

core::Task<void> Transaction::Impl::begin() {
  const auto& options = hop->options;
  bool safe = is_safe_path(envelope.mail_from);
  for (const std::string& rcpt : envelope.rcpts) safe = safe && !rcpt.empty() && is_safe_path(rcpt);
  if (!safe) {
    for (auto& each : rcpts) each = {Outcome::kRefused, {553, "5.1.3", {"Address cannot be relayed"}}, ""};
    co_return;
  }
  if (options->kind == Kind::kMaildir) {
    for (std::size_t i = 0; i < rcpts.size(); ++i)
      if (mailbox_folder(envelope.rcpts[i], options->helo_domain))
        rcpts[i] = {Outcome::kAccepted, {250, "2.1.5", {"Ok"}}, ""};
      else
        rcpts[i] = {Outcome::kRefused, {550, "5.1.1", {"No such mailbox"}}, ""};
    co_return;
  }
  exchange = std::make_unique<Exchange>(options, envelope);
  auto begun = co_await exchange->begin(*hop->sessions, false);
  if (!begun && exchange->reused() && begun.error().stale() && !std::exchange(retried, true)) {
    ++hop->stats->retries;
    exchange = std::make_unique<Exchange>(options, envelope);
    auto again = co_await exchange->begin(*hop->sessions, true);
    static_cast<void>(again);  // the outcomes say it
  }
  met = exchange->met();
  rcpts = exchange->outcomes();
}

core::Task<std::vector<RcptOutcome>> Transaction::Impl::send(std::shared_ptr<const mail::Message> message,
                                                             Edits edits) {
  MessageStream stream(message, edits, Form::kDotStuffed);
  auto sent = co_await exchange->send(stream);
  if (!sent && exchange->reused() && sent.error().stale() && !std::exchange(retried, true)) {
    // The final dot did not go out: nothing can have been delivered, so a second try makes no duplicate.
    ++hop->stats->retries;
    exchange = std::make_unique<Exchange>(hop->options, envelope);
    auto again = co_await exchange->begin(*hop->sessions, true);
    MessageStream anew(std::move(message), std::move(edits), Form::kDotStuffed);
    if (again && exchange->any_accepted()) sent = co_await exchange->send(anew);
  }
  rcpts = exchange->outcomes();
  exchange.reset();
  for (const RcptOutcome& each : rcpts) hop->stats->unknowns += each.outcome == Outcome::kUnknown;
  co_return rcpts;
}

core::Task<std::vector<RcptOutcome>> Transaction::Impl::send_to_maildir(std::shared_ptr<const mail::Message> message,
                                                                        Edits edits) {
  // RFC 5321 section 4.4: the delivery SMTP server puts the return path at the top.
  edits.prepend.insert(edits.prepend.begin(), "Return-Path: <" + envelope.mail_from + ">");
  const std::string& host = hop->options->helo_domain;
  std::function<void()> work = [&] {
    for (std::size_t i = 0; i < rcpts.size(); ++i) {
      if (rcpts[i].outcome != Outcome::kAccepted) continue;
      const auto mailbox = mailbox_folder(envelope.rcpts[i], host);
      const MaildirJob job{hop->options->folder, *mailbox, unique_file(hop->clock.now_us(), hop->random.u64(), host)};
      rcpts[i] = deliver_to_maildir(job, MessageStream(message, edits, Form::kPlain));
    }
  };
  co_await hop->pool.run(work);
  co_return rcpts;
}

}  // namespace sekisho::transfer
