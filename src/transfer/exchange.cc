#include "transfer/exchange.h"

#include <algorithm>

#include "transfer/envelope.h"

namespace sekisho::transfer {
namespace {
constexpr std::int64_t kDotReplyMs = 60'000;

const smtp::Reply& no_answer() {
  static const smtp::Reply reply{451, "4.4.2", {"The next hop did not confirm the message, try again later"}};
  return reply;
}
}  // namespace

bool is_safe_path(std::string_view path) {
  bool quoted = false;
  for (std::size_t i = 0; i < path.size(); ++i) {
    const char c = path[i];
    if (static_cast<unsigned char>(c) < ' ' || c == 127) return false;
    if (c == '"') quoted = !quoted;
    if (quoted && c == '\\' && ++i == path.size()) return false;
    // Outside quotes these would end the path, and what follows would be parameters.
    if (!quoted && (c == '<' || c == '>' || c == ' ')) return false;
    if (quoted && c == '\\' && (static_cast<unsigned char>(path[i]) < ' ' || path[i] == 127)) return false;
  }
  return !quoted && path.size() <= 1000;
}

Outcome judge(const smtp::Reply& reply) {
  if (reply.code / 100 == 2) return Outcome::kAccepted;
  // RFC 5321 section 4.5.3.1.10: 552 for too many recipients is to be treated as 452. A full mailbox is 5.2.2.
  if (reply.code == 552 && reply.enhanced == "5.5.3") return Outcome::kTemporary;
  return reply.code / 100 == 5 ? Outcome::kRefused : Outcome::kTemporary;
}

Exchange::Exchange(std::shared_ptr<const Options> options, const Envelope& envelope)
    : options_(std::move(options)), envelope_(envelope), outcomes_(envelope.rcpts.size()) {}

bool Exchange::any_accepted() const {
  return std::any_of(outcomes_.begin(), outcomes_.end(), [](const auto& o) { return o.outcome == Outcome::kAccepted; });
}
void Exchange::set_all(Outcome outcome, const smtp::Reply& answer) {
  for (RcptOutcome& each : outcomes_) each = {outcome, answer, ""};
}
void Exchange::fail_open(Outcome outcome, const smtp::Reply& reply) {
  for (RcptOutcome& each : outcomes_)
    if (each.outcome == Outcome::kAccepted) each = {outcome, reply, ""};
}
core::Result<void, Failure> Exchange::broken(const Failure& why) {
  lease_.drop();
  return core::error(why);
}

core::Task<core::Result<smtp::Reply, Failure>> Exchange::reply() {
  auto got = co_await lease_->read_reply(io::now_ms() + options_->timeout_ms);
  if (!got) co_return core::error(got.error());
  // RFC 5321 section 3.8: after 421 there is no session any more.
  if (got->code == 421) co_return core::error(Failure{io::IoError::kOther, std::move(*got)});
  co_return std::move(got);
}
core::Task<core::Result<smtp::Reply, Failure>> Exchange::command(std::string line) {
  auto written = co_await lease_->write(line, io::now_ms() + options_->timeout_ms);
  if (!written) {
    auto last = co_await lease_->last_words();
    if (last && last->code >= 400) co_return core::error(Failure{io::IoError::kOther, std::move(*last)});
    co_return core::error(written.error());
  }
  co_return co_await reply();
}

core::Task<core::Result<void, Failure>> Exchange::begin(SessionPool& pool, bool fresh) {
  auto taken = co_await pool.take(fresh, envelope_.until_ms);
  if (!taken) {
    set_all(Outcome::kTemporary, taken.error().reply);
    co_return core::error(taken.error());
  }
  lease_ = std::move(*taken);
  met_ = true;
  reused_ = lease_.reused();
  const Capabilities& can = lease_->capabilities();
  if (const auto why = unable()) {
    // A kept session knows what was offered when it began.
    if (reused_ && why->outcome == Outcome::kTemporary) {
      lease_.drop();
      co_return co_await begin(pool, true);
    }
    set_all(why->outcome, why->reply);
    lease_.keep();
    co_return core::Result<void, Failure>{};
  }
  hold_back();
  forwarded_ = options_->xforward && envelope_.client ? xforward_commands(*envelope_.client, can.xforward)
                                                      : std::vector<std::string>{};
  auto done = can.pipelining ? pipelined() : in_lockstep();
  auto result = co_await done;
  if (result) co_return core::Result<void, Failure>{};
  set_all(judge(result.error().reply) == Outcome::kRefused ? Outcome::kRefused : Outcome::kTemporary,
          result.error().reply);
  co_return broken(result.error());
}

core::Task<core::Result<void, Failure>> Exchange::take_rset(const smtp::Reply& answer) {
  if (answer.code / 100 != 2) co_return core::error(protocol_failure("The next hop refuses RSET"));
  lease_->needs_rset = false;
  co_return core::Result<void, Failure>{};
}

// RFC 2920 section 3.1: RSET, MAIL and RCPT in any number, DATA as the last of the group. XFORWARD may stand in it too.
core::Task<core::Result<void, Failure>> Exchange::pipelined() {
  const bool rset = lease_->needs_rset;
  std::string group = rset ? "RSET\r\n" : "";
  for (const std::string& line : forwarded_) group += line;
  group += mail_command();
  for (std::size_t i = 0; i < outcomes_.size(); ++i)
    if (!held_[i]) group += rcpt_command(i);
  group += "DATA\r\n";
  auto first = co_await command(std::move(group));
  if (first && rset) {
    auto cleared = co_await take_rset(*first);
    if (!cleared) co_return core::error(cleared.error());
    first = co_await reply();
  }
  // What becomes of XFORWARD does not touch the mail.
  for (std::size_t i = 0; first && i < forwarded_.size(); ++i) first = co_await reply();
  if (!first) co_return core::error(first.error());
  const smtp::Reply mail = std::move(*first);
  for (std::size_t i = 0; i < outcomes_.size(); ++i) {
    if (held_[i]) continue;
    auto answer = co_await reply();
    if (!answer) co_return core::error(answer.error());
    outcomes_[i] = {judge(*answer), std::move(*answer), ""};
  }
  // Without a transaction the replies to RCPT say only "bad sequence": the one to MAIL is the reason.
  const bool no_mail = mail.code / 100 != 2;
  if (no_mail) set_all(judge(mail), mail);
  auto data = co_await reply();
  if (!data) co_return core::error(data.error());
  if (no_mail && data->code == 354) co_return core::error(Failure{io::IoError::kOther, mail});
  co_return co_await take_data(std::move(*data));
}

core::Task<core::Result<void, Failure>> Exchange::in_lockstep() {
  if (lease_->needs_rset) {
    auto rset = co_await command("RSET\r\n");
    if (!rset) co_return core::error(rset.error());
    auto cleared = co_await take_rset(*rset);
    if (!cleared) co_return core::error(cleared.error());
  }
  for (const std::string& line : forwarded_) {
    auto told = co_await command(line);
    if (!told) co_return core::error(told.error());
  }
  auto mail = co_await command(mail_command());
  if (!mail) co_return core::error(mail.error());
  if (mail->code / 100 != 2) {
    set_all(judge(*mail), *mail);
    lease_.keep();
    co_return core::Result<void, Failure>{};
  }
  for (std::size_t i = 0; i < outcomes_.size(); ++i) {
    if (held_[i]) continue;
    auto answer = co_await command(rcpt_command(i));
    if (!answer) co_return core::error(answer.error());
    outcomes_[i] = {judge(*answer), std::move(*answer), ""};
  }
  if (!any_accepted()) {
    lease_->needs_rset = true;
    lease_.keep();
    co_return core::Result<void, Failure>{};
  }
  auto data = co_await command("DATA\r\n");
  if (!data) co_return core::error(data.error());
  co_return co_await take_data(std::move(*data));
}

core::Task<core::Result<void, Failure>> Exchange::take_data(smtp::Reply answer) {
  if (answer.code == 354 && any_accepted()) co_return core::Result<void, Failure>{};
  if (answer.code == 354) {
    // RFC 2920 section 3.1: 354 with no recipient is answered by the dot alone, and its reply is an error.
    auto ended = co_await command(".\r\n");
    if (!ended) {
      lease_.drop();  // the recipients' own replies stand
      co_return core::Result<void, Failure>{};
    }
    lease_.keep();
    co_return core::Result<void, Failure>{};
  }
  if (answer.code / 100 <= 3)
    co_return core::error(protocol_failure("The next hop answers DATA with neither 354 nor an error"));
  fail_open(judge(answer), answer);
  lease_->needs_rset = true;
  lease_.keep();
  co_return core::Result<void, Failure>{};
}

// The next hop spoke or closed before the message had its end: no such reply can be one to the final dot.
core::Task<Failure> Exchange::early_words() {
  auto words = co_await lease_->read_reply(io::now_ms() + options_->timeout_ms);
  if (!words) co_return words.error();
  if (words->code >= 400) co_return Failure{io::IoError::kOther, std::move(*words)};
  co_return protocol_failure("The next hop answers before the message has ended");
}

core::Task<core::Result<void, Failure>> Exchange::write_all(MessageStream& stream) {
  std::string chunk;
  chunk.reserve(std::min<std::size_t>(stream.size() + stream.size() / 32 + 64, kChunkOctets + 1024));
  for (bool last = false; !last;) {
    chunk.clear();
    auto filled = stream.next(chunk, kChunkOctets);
    if (!filled) {
      // What went out has no final dot: the next hop drops it when the connection ends.
      co_return core::error(Failure{io::IoError::kOther, reply_to(filled.error())});
    }
    last = *filled;
    if (last && (lease_->has_unread() || lease_->stale())) co_return core::error(co_await early_words());
    // A write whose deadline has passed still tries: nobody would hear what becomes of this dot.
    if (io::now_ms() >= envelope_.until_ms) co_return core::error(failure(io::IoError::kTimeout));
    auto written = co_await lease_->write(chunk, io::now_ms() + options_->timeout_ms);
    if (!written) {
      auto words = co_await lease_->last_words();
      if (words && words->code >= 400) co_return core::error(Failure{io::IoError::kOther, std::move(*words)});
      co_return core::error(written.error());
    }
  }
  co_return core::Result<void, Failure>{};
}

core::Task<core::Result<void, Failure>> Exchange::send(MessageStream& stream) {
  auto written = co_await write_all(stream);
  if (!written) {
    fail_open(judge(written.error().reply) == Outcome::kRefused ? Outcome::kRefused : Outcome::kTemporary,
              written.error().reply);
    co_return broken(written.error());
  }
  co_await final_replies();
  co_return core::Result<void, Failure>{};
}

// From here on nothing is tried again: the next hop may have taken the message (RFC 1047).
core::Task<void> Exchange::final_replies() {
  const std::int64_t usual_ms = std::min(options_->timeout_ms, kDotReplyMs);
  const std::int64_t deadline = io::now_ms() + (options_->dot_timeout_ms > 0 ? options_->dot_timeout_ms : usual_ms);
  const bool lmtp = options_->kind == Kind::kLmtp;
  std::optional<smtp::Reply> answer;
  bool clean = true;
  for (RcptOutcome& each : outcomes_) {
    if (each.outcome != Outcome::kAccepted) continue;
    // RFC 2033 section 4.2: LMTP answers once for each accepted recipient, in the order of RCPT; SMTP once for all.
    if (clean && (lmtp || !answer)) {
      auto got = co_await lease_->read_reply(deadline);
      clean = got.ok() && got->code / 100 != 3;
      if (clean) answer = std::move(*got);
    }
    if (!clean) {
      each = {Outcome::kUnknown, no_answer(), ""};
      continue;
    }
    each = {judge(*answer), *answer, queue_id(*answer)};
    if (each.outcome == Outcome::kAccepted) each.outcome = Outcome::kDelivered;
    // The answer to this recipient is clear; after 421 the others get none.
    if (lmtp && answer->code == 421) clean = false;
  }
  if (clean && answer && answer->code != 421)
    lease_.keep();
  else
    lease_.drop();
}

}  // namespace sekisho::transfer
