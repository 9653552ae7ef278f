// From the verdict to the reply. The order of promises (design 4.3): the next hop's transaction is opened, `decided`
// becomes durable, then the message and its final dot go out, and our 250 follows the next hop's; `outcome` is appended
// without its own wait.
#include <algorithm>

#include "base/core/text.h"
#include "base/log/log.h"
#include "road/inbound/desk.h"

namespace sekisho::inbound {

namespace {

smtp::Reply taken(const Open& open, const std::string& queue_id) {
  smtp::Reply reply{250, "2.0.0", {"Taken as " + open.transaction.id().text()}};
  if (!queue_id.empty()) reply.lines.front() += ", next hop " + core::printable(queue_id, 64);
  return reply;
}

std::string text_of(const smtp::Reply& reply) {
  std::string text = std::to_string(reply.code) + (reply.enhanced.empty() ? "" : " " + reply.enhanced);
  return reply.lines.empty() ? text : text + " " + core::printable(reply.lines.front(), 200);
}

action::Arrival arrival_of(const session::SessionFacts& facts, const Open& open, std::int64_t now_s) {
  const auto& papers = open.mail.papers;
  action::Arrival out;
  out.client_ip = open.mail.client.ip;
  out.helo = open.mail.client.helo;
  out.relay = open.mail.relay;
  out.mail_from = open.mail.client.mail_from;
  if (papers.iprev.result == road::AuthResult::kPass && papers.iprev.name) out.reverse_name = papers.iprev.name->text();
  out.esmtp = facts.extended_helo;
  out.utf8 = open.transaction.parameters().smtp_utf8;
  if (facts.tls) out.tls = facts.tls->version + " " + facts.tls->cipher;
  out.id = open.transaction.id().text();
  out.now_s = now_s;
  return out;
}

// All but the recipients.
transfer::Envelope envelope_of(const session::SessionFacts& facts, const Open& open) {
  const smtp::MailParameters& said = open.transaction.parameters();
  const mail::Message& message = *open.transaction.message();
  const auto beyond_ascii = [](char c) { return static_cast<unsigned char>(c) > 127; };
  const std::string_view header = message.header_octets();
  transfer::Envelope out;
  out.mail_from = open.mail.client.mail_from;
  out.eight_bit = said.body == smtp::BodyType::kEightBitMime;
  out.size_bytes = message.size();
  out.smtp_utf8 = said.smtp_utf8;
  out.utf8_header = said.smtp_utf8 && std::any_of(header.begin(), header.end(), beyond_ascii);
  out.require_tls = said.require_tls;
  out.ret = said.ret;
  out.envid = said.envid;
  const auto& iprev = open.mail.papers.iprev;
  const bool named = iprev.result == road::AuthResult::kPass && iprev.name;
  out.client = transfer::Client{
      named ? iprev.name->text() : "", facts.client.ip, facts.client.port, facts.helo_domain, facts.extended_helo,
      open.transaction.id().text()};
  return out;
}

transfer::Edits edits_of(action::Headers headers) {
  transfer::Edits edits;
  edits.prepend = std::move(headers.added);
  for (const auto& removed : headers.removed) edits.drop.push_back(removed.field);
  return edits;
}

// What happened to all of them together, worst first.
transfer::Outcome worst(const std::vector<transfer::RcptOutcome>& outcomes) {
  auto out = transfer::Outcome::kDelivered;
  for (const auto o : {transfer::Outcome::kRefused, transfer::Outcome::kTemporary, transfer::Outcome::kUnknown})
    if (std::any_of(outcomes.begin(), outcomes.end(), [&](const auto& r) { return r.outcome == o; })) out = o;
  return out;
}

}  // namespace

std::string Desk::add_receipt(const Case& mail, const verdict::Verdict& verdict, smtp::Reply& reply) {
  if (verdict.reasons.empty()) return "";
  const auto& reason = verdict.reasons.front();
  const auto domain = identity::domain_of(mail.client.mail_from);
  const receipt::Statement statement{world_.clock.now_s(), static_cast<std::uint8_t>(reason.stage),
                                     static_cast<std::uint8_t>(verdict.action), receipt::reason_id(reason.code)};
  std::string code = world_.receipts.seal(statement, {mail.client.ip, domain ? domain->text() : ""});
  if (!code.empty() && !reply.lines.empty()) reply.lines.back() += " [" + code + "]";
  return code;
}

core::Task<trail::Digest> Desk::take_digest(const mail::Message& message) {
  if (message.size() <= dkim::kBigBytes) co_return signature::message_digest(message);
  trail::Digest digest{};
  std::function<void()> hash = [&digest, &message] { digest = signature::message_digest(message); };
  co_await world_.pool.run(std::move(hash));
  co_return digest;
}

core::Task<smtp::Reply> Desk::carry_out(const session::SessionFacts& facts, Open& open, const verdict::Verdict& verdict,
                                        std::int64_t started_us) {
  const trail::Digest digest = co_await take_digest(*open.transaction.message());
  trail::Decided decided = decided_of(facts, open, verdict, digest);
  if (log::enabled(log::Level::kDebug))
    log::write<log::Event::k_mail_judged>(log::name(open.transaction.id().text()),
                                          log::name(verdict::word(verdict.action)),
                                          log::name(verdict.reasons.empty() ? "" : verdict.reasons.front().code));
  if (verdict.action < verdict::Action::kDefer)
    co_return co_await hand_over(facts, open, verdict, std::move(decided), started_us);
  smtp::Reply reply = verdict.reply;
  decided.receipt = add_receipt(open.mail, verdict, reply);
  decided.reply = text_of(reply);
  (reply.temporary() ? deferred_ : rejected_) += 1;
  const std::int64_t road_us = world_.clock.now_us() - started_us;
  decided.stage_times.push_back({"message", static_cast<std::uint64_t>(std::max<std::int64_t>(road_us, 0))});
  world_.meter.mail(verdict, open.mail.papers, road_us, 0, open.transaction.message()->size());
  // A refusal promises nothing, so nobody waits for the disk: attackers must not decide how often we sync.
  world_.trail.record_lazy(std::move(decided));
  co_return reply;
}

core::Task<smtp::Reply> Desk::hand_over(const session::SessionFacts& facts, Open& open, const verdict::Verdict& verdict,
                                        trail::Decided decided, std::int64_t started_us) {
  const auto hop = open.present.hops->find(open.domain->next_hop);
  const std::int64_t decided_us = world_.clock.now_us();
  trail::Outcome outcome;
  outcome.transaction = open.transaction.id();
  outcome.next_hop = open.domain->next_hop;
  outcome.action = verdict::word(verdict.action);

  std::vector<std::string> sent_to;  // those that an earlier try did not serve
  const auto served = [&](const std::string& rcpt_to) {
    if (world_.partial.empty()) return false;
    const auto key =
        partial::key_of(open.mail.client.mail_from, rcpt_to, {decided.digest.data(), decided.digest.size()});
    return world_.partial.served(key, world_.clock.now_s());
  };
  std::vector<smtp::RcptParameters> parameters;
  for (std::size_t i = 0; i < open.transaction.rcpt_to().size(); ++i) {
    const std::string& rcpt_to = open.transaction.rcpt_to()[i].text;
    if (served(rcpt_to)) continue;
    sent_to.push_back(rcpt_to);
    parameters.push_back(open.transaction.rcpt_parameters()[i]);
  }
  decided.stage_times.push_back(
      {"message", static_cast<std::uint64_t>(std::max<std::int64_t>(decided_us - started_us, 0))});
  const trail::Digest digest = decided.digest;

  smtp::Reply reply;
  if (sent_to.empty()) {
    reply = taken(open, "");
    outcome.delivered = outcome.duplicate = true;
    auto stored = co_await world_.trail.record(std::move(decided));
    if (!stored) reply = {451, "4.3.0", {"The decision cannot be recorded; try again later"}};
  } else {
    transfer::Envelope envelope = envelope_of(facts, open);
    envelope.rcpts = sent_to;
    envelope.rcpt_parameters = std::move(parameters);
    transfer::Transaction transaction = co_await hop->second->open(std::move(envelope));
    if (transaction.any_accepted()) {
      auto stored = co_await world_.trail.record(std::move(decided));
      if (!stored) {
        reply = {451, "4.3.0", {"The decision cannot be recorded; try again later"}};
        co_return reply;  // the transaction is dropped before its dot: nothing left us
      }
      const action::Arrival arrival = arrival_of(facts, open, world_.clock.now_s());
      auto edits = edits_of(open.observed ? action::write_trace(open.config().action, arrival)
                                          : action::write_headers(*open.transaction.message(), open.mail.papers,
                                                                  verdict, open.config().action, arrival));
      const auto outcomes = co_await transaction.send(open.transaction.message(), std::move(edits));
      reply = co_await settle(open, outcomes, sent_to, digest, outcome);
    } else {
      world_.trail.record_lazy(std::move(decided));
      const auto outcomes = transaction.rcpts();
      reply = co_await settle(open, outcomes, sent_to, digest, outcome);
    }
  }
  const std::int64_t done_us = world_.clock.now_us();
  outcome.reply = text_of(reply);
  outcome.duration_us = static_cast<std::uint64_t>(std::max<std::int64_t>(done_us - decided_us, 0));
  world_.trail.record_lazy(std::move(outcome));
  world_.meter.mail(verdict, open.mail.papers, decided_us - started_us, done_us - decided_us,
                    open.transaction.message()->size());
  co_return reply;
}

// Remembers whom the next hop may have served without saying so. True when one that was served now is such a one.
bool Desk::note_doubts(Open& open, const std::vector<transfer::RcptOutcome>& outcomes,
                       const std::vector<std::string>& sent_to, const trail::Digest& digest) {
  bool again = false;
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    const auto outcome = outcomes[i].outcome;
    if (outcome != transfer::Outcome::kUnknown && outcome != transfer::Outcome::kDelivered) continue;
    const auto key = partial::key_of(open.mail.client.mail_from, sent_to[i], {digest.data(), digest.size()});
    if (outcome == transfer::Outcome::kUnknown)
      world_.doubts.add(key);
    else
      again |= world_.doubts.take(key);
  }
  if (again) world_.meter.duplicate();
  return again;
}

core::Task<smtp::Reply> Desk::settle(Open& open, const std::vector<transfer::RcptOutcome>& outcomes,
                                     const std::vector<std::string>& sent_to, const trail::Digest& digest,
                                     trail::Outcome& outcome) {
  const auto delivered = [](const transfer::RcptOutcome& r) { return r.outcome == transfer::Outcome::kDelivered; };
  const auto worst_of_all = worst(outcomes);
  world_.meter.outcome(worst_of_all);
  const bool again = note_doubts(open, outcomes, sent_to, digest);
  for (const auto& r : outcomes)
    if (delivered(r) && outcome.queue_id.empty()) outcome.queue_id = core::printable(r.queue_id, 128);
  if (std::all_of(outcomes.begin(), outcomes.end(), delivered)) {
    outcome.delivered = true;
    outcome.duplicate = again;
    outcome.next_hop_reply = text_of(outcomes.front().reply);
    co_return taken(open, outcome.queue_id);
  }
  const auto failed =
      std::find_if(outcomes.begin(), outcomes.end(), [&](const auto& r) { return r.outcome == worst_of_all; });
  outcome.next_hop_reply = text_of(failed->reply);
  outcome.duplicate = worst_of_all == transfer::Outcome::kUnknown;
  if (std::none_of(outcomes.begin(), outcomes.end(), delivered)) {
    const bool same =
        std::all_of(outcomes.begin(), outcomes.end(), [&](const auto& r) { return r.outcome == worst_of_all; });
    smtp::Reply reply =
        same ? failed->reply : smtp::Reply{451, "4.5.1", {"The next hop took none of the recipients; try again later"}};
    if (reply.code < 400) reply = {451, "4.4.0", {"The next hop gave no usable answer; try again later"}};
    reply.close = false;
    if (reply.code == 421) reply.code = 451;  // RFC 5321 section 3.8: 421 ends the next hop's session, not the client's
    co_return reply;
  }
  // Mixed: those served are remembered durably, the client comes again, and they are skipped then.
  std::vector<partial::Key> keys;
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    trail::Recipient recipient;
    recipient.address = sent_to[i];
    recipient.reply = text_of(outcomes[i].reply);
    outcome.recipients.push_back(std::move(recipient));
    if (delivered(outcomes[i]))
      keys.push_back(partial::key_of(open.mail.client.mail_from, sent_to[i], {digest.data(), digest.size()}));
  }
  const std::int64_t now_s = world_.clock.now_s();
  std::function<void()> remember = [&keys, now_s, this] {
    const auto kept = world_.partial.remember(keys, now_s);
    if (!kept) log::write<log::Event::k_store_failed>("partial", log::name(kept.error()));
  };
  co_await world_.pool.run(std::move(remember));
  co_return smtp::Reply{
      451, "4.5.1", {"Some recipients were served, some were not; try again, those served will be skipped"}};
}

}  // namespace sekisho::inbound
