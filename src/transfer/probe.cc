#include "transfer/probe.h"

#include "transfer/envelope.h"
#include "transfer/exchange.h"

namespace sekisho::transfer {
namespace {
constexpr std::int64_t kYesMs = 5 * 60'000;
constexpr std::int64_t kNoMs = 60'000;
constexpr std::size_t kMaxEntries = 20'000;
// Postfix slows a client down after 10 errors and hangs up after 20 (smtpd_soft_error_limit, smtpd_hard_error_limit).
constexpr unsigned kMaxRefusals = 10;

ProbeAnswer answer_of(smtp::Reply reply) {
  switch (judge(reply)) {
    case Outcome::kAccepted:
      return {ProbeAnswer::Kind::kExists, std::move(reply)};
    case Outcome::kRefused:
      return {ProbeAnswer::Kind::kUnknown, std::move(reply)};
    default:
      return {ProbeAnswer::Kind::kTemporary, std::move(reply)};
  }
}
}  // namespace

const ProbeAnswer* AnswerCache::find(const std::string& rcpt) {
  const auto at = entries_.find(rcpt);
  if (at == entries_.end()) return nullptr;
  if (at->second.until_ms > io::now_ms()) return &at->second.answer;
  entries_.erase(at);
  return nullptr;
}
void AnswerCache::insert(const std::string& rcpt, const ProbeAnswer& answer) {
  const std::int64_t now = io::now_ms();
  if (entries_.size() >= kMaxEntries)
    std::erase_if(entries_, [now](const auto& each) { return each.second.until_ms <= now; });
  if (entries_.size() >= kMaxEntries) entries_.clear();
  entries_[rcpt] = {now + keep_ms_, answer};
}

Prober::Prober(std::shared_ptr<const Options> options, std::shared_ptr<SessionPool> sessions,
               std::shared_ptr<Stats> stats)
    : options_(std::move(options)),
      sessions_(std::move(sessions)),
      stats_(std::move(stats)),
      yes_(kYesMs),
      no_(kNoMs) {}

core::Task<ProbeAnswer> Prober::probe(std::string rcpt) {
  for (AnswerCache* cache : {&yes_, &no_}) {
    if (const ProbeAnswer* known = cache->find(rcpt)) {
      ++stats_->probe_hits;
      co_return *known;
    }
  }
  ProbeAnswer answer = co_await ask(rcpt);
  if (answer.kind == ProbeAnswer::Kind::kExists) yes_.insert(rcpt, answer);
  if (answer.kind == ProbeAnswer::Kind::kUnknown) no_.insert(rcpt, answer);
  co_return answer;
}

core::Task<ProbeAnswer> Prober::ask(std::string rcpt, bool* reached) {
  if (rcpt.empty() || !is_safe_path(rcpt))
    co_return ProbeAnswer{ProbeAnswer::Kind::kUnknown, {553, "5.1.3", {"Address cannot be relayed"}}};
  ++stats_->probes;
  for (bool fresh = false;; fresh = true) {
    auto lease = co_await sessions_->take(fresh);
    if (!lease) co_return ProbeAnswer{ProbeAnswer::Kind::kTemporary, lease.error().reply};
    if (reached) *reached = true;
    const bool reused = lease->reused();
    SessionPool::Lease& session = *lease;
    auto answer = co_await ask_on(session, rcpt);
    if (answer) co_return std::move(*answer);
    if (!reused || fresh || !answer.error().stale()) {
      smtp::Reply reply = answer.error().reply;
      if (!reply.temporary()) reply = {451, "4.4.2", {"The next hop closed the connection"}};
      co_return ProbeAnswer{ProbeAnswer::Kind::kTemporary, std::move(reply)};
    }
    ++stats_->retries;
  }
}

core::Task<core::Result<ProbeAnswer, Failure>> Prober::ask_on(SessionPool::Lease& lease, const std::string& rcpt) {
  const std::string rcpt_line = "RCPT TO:<" + rcpt + ">\r\n";
  const bool utf8 = !is_ascii(rcpt);
  if (utf8 && !lease->capabilities().smtp_utf8) {
    lease.keep();
    co_return ProbeAnswer{ProbeAnswer::Kind::kTemporary, {451, "4.6.7", {"The next hop does not take SMTPUTF8"}}};
  }
  const std::string lines[] = {utf8 ? "MAIL FROM:<> SMTPUTF8\r\n" : "MAIL FROM:<>\r\n", rcpt_line, "RSET\r\n"};
  smtp::Reply replies[3];
  const bool pipelining = lease->capabilities().pipelining;
  const std::int64_t deadline = io::now_ms() + options_->timeout_ms;
  if (pipelining) {
    auto written = co_await lease->write(lines[0] + lines[1] + lines[2], deadline);
    if (!written) co_return core::error(written.error());
  }
  for (int i = 0; i < 3; ++i) {
    if (!pipelining) {
      auto written = co_await lease->write(lines[i], deadline);
      if (!written) co_return core::error(written.error());
    }
    auto got = co_await lease->read_reply(deadline);
    if (!got) co_return core::error(got.error());
    if (got->code == 421) co_return core::error(Failure{io::IoError::kOther, std::move(*got)});
    replies[i] = std::move(*got);
  }
  // A refused MAIL says nothing about the recipient.
  const bool mail_ok = replies[0].code / 100 == 2;
  ProbeAnswer answer =
      mail_ok ? answer_of(std::move(replies[1])) : ProbeAnswer{ProbeAnswer::Kind::kTemporary, replies[0]};
  if (!mail_ok && !answer.reply.temporary())
    answer.reply = {451, "4.4.0", {"The next hop refuses our recipient probe"}};
  if (answer.kind != ProbeAnswer::Kind::kExists) ++lease->refusals;
  if (replies[2].code / 100 == 2 && lease->refusals < kMaxRefusals) lease.keep();
  co_return answer;
}

}  // namespace sekisho::transfer
