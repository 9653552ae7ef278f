// The whole order of the road, moment by moment. What each step means is in docs/road.md.
#include "road/inbound/inbound.h"

#include <algorithm>

#include "mail/transaction/transaction.h"
#include "road/inbound/desk.h"

namespace sekisho::inbound {

namespace {

class Inbound final : public session::Road {
 public:
  Inbound(World& world, const session::SessionFacts& facts) : world_(world), desk_(world), facts_(&facts) {}

  smtp::Capabilities capabilities() const override { return desk_.capabilities(); }

  core::Task<session::Step> at_connect(const session::SessionFacts& facts) override {
    const auto config = world_.present.config;
    const core::IpAddress& ip = facts.client.ip;
    const std::int64_t now_ms = world_.clock.steady_ms();
    Case mail;
    mail.client.ip = ip;
    place_.reset();
    // Whoever is behind a relay is met with the message; until then there is nobody whose limits could count.
    relay_ = !facts.unnamed && core::in_any(config->trusted_relays, ip);
    if (!relay_) {
      auto [place, limit] = world_.limits.open_session(ip);
      if (limit == connection::Limit::kNone) place_.emplace(std::move(place));
      if (limit == connection::Limit::kNone) limit = world_.limits.harvesting(ip, now_ms);
      desk_.note_limit(mail, limit);
    }
    const Ruling ruling = desk_.ruling(mail);
    const bool lifted = ruling.kind == verdict::Ruling::kAllow || ruling.kind == verdict::Ruling::kBypass;
    greet_at_once_ = relay_ || lifted || world_.limits.exempt(ip) || world_.patience.known(ip, now_ms);
    co_return desk_.judge(*facts_, mail, config->policy, verdict::Moment::kConnect, ruling);
  }

  bool greet_at_once() const override { return greet_at_once_; }

  core::Task<session::Step> at_helo(const session::SessionFacts& facts) override {
    if (facts.events.early_talker) world_.patience.forget(facts.client.ip);
    if (facts.patient) world_.patience.note(facts.client.ip, world_.clock.steady_ms());
    Case mail;
    mail.client = {facts.client.ip, facts.helo_domain, ""};
    mail.relayed = relay_;
    desk_.note_session(facts, mail);
    session::Step step = session::Continue{};
    if (!mail.findings.empty())
      step = desk_.judge(facts, mail, world_.present.config->policy, verdict::Moment::kHelo, desk_.ruling(mail));
    if (std::holds_alternative<session::Continue>(step) && facts.extended_helo) co_await desk_.meet_hops();
    co_return step;
  }

  core::Task<session::Step> at_mail_from(const smtp::Path& path, const smtp::MailParameters& parameters) override {
    open_.reset();
    auto open = std::make_unique<Open>(world_, path, parameters);
    Case& mail = open->mail;
    mail.client = {facts_->client.ip, facts_->helo_domain, path.text};
    mail.relayed = relay_;
    desk_.note_session(*facts_, mail);
    const Ruling ruling = desk_.ruling(mail);
    const verdict::Policy policy = desk_.policy_for(*open);
    if (world_.trail.ledger().short_of_disk()) mail.findings.push_back({"envelope", "state_disk_short"});
    if (ruling.kind == verdict::Ruling::kNone && !relay_)
      desk_.note_limit(mail, world_.limits.take_mail(facts_->client.ip, world_.clock.steady_ms()));
    session::Step step = desk_.judge(*facts_, mail, policy, verdict::Moment::kMailFrom, ruling);
    if (std::holds_alternative<session::Verdict>(step)) co_return step;  // nothing costly for those

    open->transaction.budget().dns_queries = open->config().dns_queries;
    co_await read_envelope(mail, open->config(), *open->present.resolver, world_.clock, world_.clock.now_s(),
                           open->transaction.budget());
    desk_.note_temporary(mail);
    step = desk_.judge(*facts_, mail, policy, verdict::Moment::kMailFrom, ruling);
    if (std::holds_alternative<session::Continue>(step)) open_ = std::move(open);
    co_return step;
  }

  core::Task<session::Step> at_rcpt_to(const smtp::Path& path, const smtp::RcptParameters& parameters) override {
    Open& open = *open_;
    const Ruling ruling = desk_.ruling(open.mail);
    Case recipient;  // what is found about one recipient is not held against the others
    recipient.client = open.mail.client;
    recipient.rcpt_to = {path.text};
    const envelope::LocalDomain* domain = desk_.local_domain(path, open.config());
    if (!domain) {
      recipient.findings.push_back({"envelope", "relay_denied", road::AuthResult::kNone, desk_.domain_text(path)});
    } else {
      co_await desk_.look_at_recipient(path, *domain, open, recipient);
      if (recipient.findings.empty() && ruling.kind == verdict::Ruling::kNone && !relay_)
        desk_.note_limit(recipient, world_.limits.take_recipient(facts_->client.ip, world_.clock.steady_ms()));
    }
    session::Step step =
        recipient.reply ? desk_.pass_on(*facts_, recipient, *recipient.reply)
                        : desk_.judge(*facts_, recipient, desk_.policy_for(open), verdict::Moment::kRcptTo, ruling);
    if (std::holds_alternative<session::Verdict>(step)) co_return step;
    open.domain = domain;
    open.add(path, parameters);
    co_return step;
  }

  core::Task<smtp::Reply> at_message(std::shared_ptr<const mail::Message> message) override {
    const std::unique_ptr<Open> open = std::move(open_);
    Case& mail = open->mail;
    const std::int64_t started_us = world_.clock.now_us();
    open->transaction.set_message(message);
    open->seal_recipients();
    const unsigned sample = static_cast<unsigned>(world_.random.u64() % 100);
    co_await read_message(mail, *message, open->config(), *open->present.resolver, world_.clock, world_.clock.now_s(),
                          sample, open->transaction.budget(), &world_.pool);
    desk_.note_submitter(*message, *open);
    desk_.note_temporary(mail);
    const Ruling ruling = desk_.ruling(mail);
    const std::size_t recipients = open->transaction.rcpt_to().size();
    if (ruling.kind == verdict::Ruling::kNone && mail.relay) desk_.note_origin_limits(mail, recipients);
    if (ruling.kind == verdict::Ruling::kNone) desk_.note_domain_limit(mail, recipients);
    const verdict::Policy policy = desk_.policy_for(*open);
    const auto observes = [](verdict::Mode mode) { return mode == verdict::Mode::kObserve; };
    open->observed = std::all_of(policy.modes.begin(), policy.modes.end(), observes);
    const verdict::Verdict verdict = desk_.decide(mail, policy, verdict::Moment::kMessage, ruling);
    co_return co_await desk_.carry_out(*facts_, *open, verdict, started_us);
  }

  void at_refused(std::string_view finding, smtp::Reply& reply, const smtp::Path* mail_from) override {
    Case mail;
    mail.client = open_ ? open_->mail.client
                        : identity::Client{facts_->client.ip, facts_->helo_domain, mail_from ? mail_from->text : ""};
    if (open_)
      for (const auto& path : open_->transaction.rcpt_to()) mail.rcpt_to.push_back(path.text);
    desk_.note_refused(*facts_, mail, finding, reply);
  }

  void at_reset() override { open_.reset(); }

  core::Task<void> at_close(const session::SessionSummary& summary) override {
    open_.reset();
    place_.reset();
    desk_.close(*facts_, summary);
    co_return;
  }

 private:
  World& world_;
  Desk desk_;
  const session::SessionFacts* facts_;
  bool relay_ = false;  // the client is a trusted relay
  bool greet_at_once_ = false;
  std::optional<connection::Limits::Place> place_;
  std::unique_ptr<Open> open_;  // the transaction, made anew at MAIL and destroyed whole
};

}  // namespace

std::unique_ptr<session::Road> make_road(World& world, const session::SessionFacts& facts) {
  return std::make_unique<Inbound>(world, facts);
}

}  // namespace sekisho::inbound
