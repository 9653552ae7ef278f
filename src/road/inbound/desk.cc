#include "road/inbound/desk.h"

#include <algorithm>
#include <cstring>

#include "base/core/text.h"
#include "base/log/log.h"
#include "mail/address/utf8.h"

namespace sekisho::inbound {

Open::Open(World& world, const smtp::Path& path, const smtp::MailParameters& parameters)
    : present(world.present),
      transaction(core::TransactionId::make(world.clock.now_us() / 1000, present.config->node, world.random), path,
                  parameters, present.config) {}

void Open::add(const smtp::Path& path, const smtp::RcptParameters& parameters) {
  transaction.add_rcpt(path, parameters);
}

void Open::seal_recipients() {
  const auto& rcpts = transaction.rcpt_to();
  mail.exempt_recipient = !rcpts.empty() && std::all_of(rcpts.begin(), rcpts.end(), [](const smtp::Path& p) {
    return p.kind == smtp::Path::Kind::kPostmaster || (p.address && envelope::is_postmaster_or_abuse(*p.address));
  });
}

smtp::Capabilities Desk::capabilities() const {
  smtp::Capabilities out;
  out.submitter = world_.present.config->identity.submitter;
  out.smtp_utf8 = out.dsn = out.require_tls = !world_.present.hops->empty();
  for (const auto& [name, hop] : *world_.present.hops) {
    const auto offered = hop->capabilities();
    // What nobody has said is not promised; 8BITMIME is what every server takes, if it says so or not.
    out.smtp_utf8 = out.smtp_utf8 && offered && offered->smtp_utf8;
    out.dsn = out.dsn && offered && offered->dsn;
    out.require_tls = out.require_tls && offered && offered->require_tls && offered->proven;
    if (!offered) continue;
    out.eight_bit_mime = out.eight_bit_mime && offered->eight_bit_mime;
    if (offered->size_limit_bytes) out.size_limit_bytes = std::min(out.size_limit_bytes, *offered->size_limit_bytes);
    if (offered->rcpt_max) out.recipient_limit = std::min(out.recipient_limit, *offered->rcpt_max);
  }
  return out;
}

core::Task<void> Desk::meet_hops() {
  const auto hops = world_.present.hops;  // a reload may change them meanwhile
  for (const auto& [name, hop] : *hops) co_await hop->meet();
}

Ruling Desk::ruling(const Case& mail) const {
  const std::int64_t now_s = world_.clock.now_s();
  if (world_.overrides.bypassed(now_s)) return {verdict::Ruling::kBypass, "bypass"};
  if (world_.overrides.empty()) return {};
  const auto address = mail::Address::parse(mail.client.mail_from);
  const auto domain = identity::domain_of(mail.client.mail_from);
  override_::Traveller who{mail.client.ip};
  if (domain) who.mail_from_domain = &*domain;
  if (address) who.mail_from = &*address;
  const auto& author = mail.papers.author.author_domain;
  if (author) who.author_domain = &*author;
  const auto entry = world_.overrides.find(who, now_s);
  if (!entry) return {};
  return {entry->kind == override_::Kind::kAllow ? verdict::Ruling::kAllow : verdict::Ruling::kDeny, entry->subject};
}

void Desk::note_limit(Case& mail, connection::Limit limit) {
  if (limit == connection::Limit::kNone) return;
  mail.findings.push_back({"connection", connection::word(limit), road::AuthResult::kNone, mail.client.ip.text()});
}

void Desk::note_session(const session::SessionFacts& facts, Case& mail) {
  if (facts.events.early_talker && !mail.relayed)
    mail.findings.push_back({"connection", "early_talker", road::AuthResult::kNone, facts.client.ip.text()});
}

void Desk::note_origin_limits(Case& mail, std::size_t recipients) {
  const std::int64_t now_ms = world_.clock.steady_ms();
  auto limit = world_.limits.take_mail(mail.client.ip, now_ms);
  for (std::size_t i = 0; i < recipients && limit == connection::Limit::kNone; ++i)
    limit = world_.limits.take_recipient(mail.client.ip, now_ms);
  note_limit(mail, limit);
}

void Desk::note_submitter(const mail::Message& message, Open& open) {
  const auto& said = open.transaction.parameters().submitter;
  if (!said) return;
  Case& mail = open.mail;
  sender_id::Pra pra;
  if (mail.papers.sender_id)
    pra = mail.papers.sender_id->purported;
  else
    pra = sender_id::purported_responsible_address(message, open.transaction.budget());
  if (sender_id::is_same(*said, pra)) return;
  mail.findings.push_back({"sender_id", "submitter_mismatch", road::AuthResult::kFail,
                           core::printable(said->text()) + ", " +
                               (pra.address ? core::printable(pra.address->text()) : core::printable(pra.reason))});
}

void Desk::note_domain_limit(Case& mail, std::size_t recipients) {
  // The proven domain: DKIM before SPF, as DMARC would have it.
  std::string proven;
  for (const auto& signature : mail.papers.dkim)
    if (proven.empty() && signature.passed()) proven = signature.signing_domain;
  if (proven.empty() && mail.papers.spf_mfrom.result == road::AuthResult::kPass)
    proven = mail.papers.spf_mfrom.domain.text();
  if (proven.empty()) return;
  const auto limit = world_.limits.take_domain(proven, recipients, world_.clock.steady_ms());
  if (limit != connection::Limit::kNone)
    mail.findings.push_back({"connection", connection::word(limit), road::AuthResult::kNone, proven});
}

void Desk::note_temporary(Case& mail) {
  const std::string domain = temporary_domain(mail);
  if (!domain.empty()) {
    mail.temperror_age_s = world_.temporary.age_s(mail.client.ip, domain, world_.clock.now_s());
  } else if (world_.temporary.size() > 0) {
    world_.temporary.resolved(mail.client.ip, mail.papers.spf_mfrom.domain.text());
    if (mail.papers.dmarc.author_domain)
      world_.temporary.resolved(mail.client.ip, mail.papers.dmarc.author_domain->text());
  }
}

const envelope::LocalDomain* Desk::local_domain(const smtp::Path& path, const Config& config) const {
  if (path.address) return config.domains.find(path.address->domain());
  // RFC 5321 section 4.5.1: <postmaster> without a domain is for us.
  return path.kind == smtp::Path::Kind::kPostmaster ? config.domains.first() : nullptr;
}

std::string Desk::domain_text(const smtp::Path& path) const {
  return path.address ? path.address->domain().text() : core::printable(path.text, 100);
}

core::Task<void> Desk::look_at_recipient(const smtp::Path& path, const envelope::LocalDomain& domain, const Open& open,
                                         Case& recipient) {
  ++recipients_seen_;
  const auto known = path.address ? envelope::look_at(domain, *path.address) : envelope::Recipient::kKnown;
  const auto found = [&](std::string_view code) { recipient.findings.push_back({"envelope", code}); };
  if (open.domain && open.domain != &domain &&
      (open.domain->next_hop != domain.next_hop || open.domain->observed != domain.observed)) {
    found("other_next_hop");
    co_return;
  }
  if (known == envelope::Recipient::kRouting) found("recipient_routing");
  bool unknown = known == envelope::Recipient::kUnknown;
  const auto hop = open.present.hops->find(domain.next_hop);
  if (known == envelope::Recipient::kAsk && hop != open.present.hops->end()) {
    const auto answer = co_await hop->second->probe(path.text);
    unknown = answer.kind == transfer::ProbeAnswer::Kind::kUnknown;
    if (answer.kind == transfer::ProbeAnswer::Kind::kTemporary)
      recipient.reply = smtp::Reply{451, "4.4.1", {"The recipient cannot be checked now; try again later"}};
  }
  if (!unknown) co_return;
  found("recipient_unknown");
  if (open.mail.relayed) co_return;  // whose guess it is stands in no command
  note_limit(recipient, world_.limits.note_unknown(open.mail.client.ip, world_.clock.steady_ms()));
}

verdict::Policy Desk::policy_for(const Open& open) const {
  const Config& config = open.config();
  verdict::Policy policy = config.policy;
  std::uint32_t draw;
  std::memcpy(&draw, open.transaction.id().octets.data() + 12, sizeof draw);
  if ((open.domain && open.domain->observed) || draw % 100 < config.observe_share_percent)
    policy.modes.fill(verdict::Mode::kObserve);
  return policy;
}

verdict::Verdict Desk::decide(const Case& mail, const verdict::Policy& policy, verdict::Moment moment,
                              const Ruling& ruling) const {
  road::Findings all;
  verdict::Facts facts = facts_of(mail, all);
  facts.ruling = ruling.kind;
  facts.ruling_evidence = ruling.subject;
  return verdict::decide(facts, policy, moment);
}

session::Step Desk::judge(const session::SessionFacts& facts, const Case& mail, const verdict::Policy& policy,
                          verdict::Moment moment, const Ruling& ruling) {
  const verdict::Verdict verdict = decide(mail, policy, moment, ruling);
  if (verdict.action < verdict::Action::kDefer) return session::Continue{};
  smtp::Reply reply = verdict.reply;
  const auto harvest = [](const verdict::Reason& r) {
    return r.enforced && r.code.starts_with("dha") && r.action >= verdict::Action::kDefer;
  };
  if (std::any_of(verdict.reasons.begin(), verdict.reasons.end(), harvest) && moment == verdict::Moment::kRcptTo) {
    // Whether this one exists too is no longer told. RFC 5321 section 3.8: 421 is the only code that closes.
    reply = {421, "4.7.1", {"Too many unknown recipients from this source"}};
    reply.close = true;
  }
  // An unknown recipient is told no more than that: a receipt for each would make harvesting a look-up service.
  if (reply.enhanced != "5.1.1") refused_.receipt = add_receipt(mail, verdict, reply);
  sum_up(facts, mail, verdict, reply);
  if (moment == verdict::Moment::kConnect && log::enabled(log::Level::kDebug))
    log::write<log::Event::k_session_refused>(facts.client.ip, facts.client.port, reply.code);
  world_.meter.refused(moment, verdict);
  if (log::enabled(log::Level::kDebug))
    log::write<log::Event::k_session_refused>(facts.client.ip, facts.client.port,
                                              log::name(verdict.reasons.empty() ? "" : verdict.reasons.front().code));
  return session::Verdict{reply};
}

session::Step Desk::pass_on(const session::SessionFacts& facts, const Case& mail, const smtp::Reply& reply) {
  sum_up(facts, mail, {}, reply);
  return session::Verdict{reply};
}

void Desk::note_refused(const session::SessionFacts& facts, const Case& mail, std::string_view finding,
                        smtp::Reply& reply) {
  const bool size = finding == "size_exceeded";
  verdict::Verdict verdict;
  verdict.action = verdict.would_be = verdict::Action::kReject;
  verdict.basis = verdict::Basis::kSelfDefence;
  verdict.reasons.push_back({verdict::Stage::kEnvelope, size ? "verdict" : "envelope", finding,
                             size ? std::to_string(world_.present.config->message_bytes) : "", verdict::Action::kReject,
                             true});
  refused_.receipt = add_receipt(mail, verdict, reply);
  sum_up(facts, mail, verdict, reply);
  world_.meter.refused(verdict::Moment::kMessage, verdict);
}

void Desk::sum_up(const session::SessionFacts& facts, const Case& mail, const verdict::Verdict& verdict,
                  const smtp::Reply& reply) {
  (reply.temporary() ? deferred_ : rejected_) += 1;
  (reply.temporary() ? refused_.deferred : refused_.rejected) += 1;
  if (refused_.since_us == 0) {
    refused_.since_us = static_cast<std::uint64_t>(world_.clock.now_us());
    refused_.mail_from = mail::address_text(mail.client.mail_from);
  } else {
    note_sender(mail::address_text(mail.client.mail_from));
  }
  for (const auto& rcpt : mail.rcpt_to) note_recipient(rcpt);
  refused_.reply = std::to_string(reply.code) + " " + reply.enhanced + " " + reply.lines.front();
  refused_.lawful_basis = verdict::word(verdict.basis);
  refused_.mode = "enforce";
  refused_.client = client_of(facts, mail);
  for (const auto& reason : verdict.reasons) {
    const auto same = [&](const trail::ReasonFact& r) { return r.code == reason.code; };
    if (std::none_of(refused_.reasons.begin(), refused_.reasons.end(), same))
      refused_.reasons.push_back(reason_of(reason));
  }
}

// So many are found by their address later; a flood must not write the ledger full.
constexpr std::size_t kSendersMax = 16, kRecipientsMax = 32;

void Desk::note_sender(std::string mail_from) {
  const auto same = [&](const trail::Sender& s) { return s.mail_from == mail_from; };
  if (refused_.mail_from == mail_from || refused_.senders.size() >= kSendersMax) return;
  if (std::none_of(refused_.senders.begin(), refused_.senders.end(), same))
    refused_.senders.push_back({std::move(mail_from)});
}

void Desk::note_recipient(const std::string& address) {
  const auto same = [&](const trail::Recipient& r) { return r.address == address; };
  if (refused_.recipients.size() >= kRecipientsMax) return;
  if (std::any_of(refused_.recipients.begin(), refused_.recipients.end(), same)) return;
  trail::Recipient recipient;
  recipient.address = address;
  refused_.recipients.push_back(std::move(recipient));
}

void Desk::close(const session::SessionFacts& facts, const session::SessionSummary& summary) {
  world_.meter.session(summary);
  if (refused_.deferred + refused_.rejected > 0) {
    refused_.session = facts.id;
    if (refused_.client.ip == core::IpAddress()) refused_.client = client_of(facts);
    world_.trail.record_lazy(std::move(refused_));
  }
  const auto& e = summary.events;
  const bool odd = e.early_talker || e.unauth_pipelining || e.dha || e.starttls_injection || e.http ||
                   e.proxy_refused || e.xclient_denied || e.bare_line_end || e.nul || e.errors;
  if (!odd && e.messages == 0) return;  // nothing to tell: a port check, a probe of a peer
  trail::SessionSummary out;
  out.session = facts.id;
  out.client = client_of(facts);
  out.transactions = e.messages;
  out.accepted = e.accepted;
  out.deferred = deferred_;
  out.rejected = rejected_;
  out.recipients_seen = recipients_seen_;
  out.unknown_recipients = e.unknown_recipients;
  out.bytes_in = summary.octets_in;
  out.duration_us = static_cast<std::uint64_t>(summary.duration_ms) * 1000;
  out.early_talker = e.early_talker > 0;
  out.unauthorised_pipelining = e.unauth_pipelining > 0;
  out.directory_harvest = e.dha > 0;
  world_.trail.record_lazy(std::move(out));
}

}  // namespace sekisho::inbound
