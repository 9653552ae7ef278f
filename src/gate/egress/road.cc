// One mail from the queue to the world. The order of promises is that of the mx gate: `decided` becomes durable, the
// hosts are asked for their recipients, the message and its final dot go out, and the queue is told what they said.
// No host waits for another, and the queue waits for none longer than it is patient: would it turn away before our
// answers, it would send again what others have taken.
#include <algorithm>

#include "base/core/text.h"
#include "gate/egress/egress.h"
#include "gate/egress/mend.h"
#include "gate/egress/record.h"
#include "gate/egress/route.h"
#include "gate/egress/tell.h"

namespace sekisho::egress {
namespace {

using session::Continue;
using session::Step;
using session::Verdict;
using transfer::Outcome;

constexpr std::int64_t kTryHostsMs = 180'000;  // then no further host is tried
constexpr std::int64_t kDotShare = 4;          // of answer_ms, what a final dot must have left

// The recipients of one destination.
struct Group {
  mail::Domain const* domain = nullptr;  // or:
  std::optional<core::IpAddress> literal;
  std::vector<std::size_t> places;  // among all recipients
  std::string host;                 // who answered, or was tried last
  std::optional<transfer::Transaction> open;
  std::vector<transfer::RcptOutcome> outcomes;
};

class Egress final : public session::Road {
 public:
  Egress(World& world, std::shared_ptr<const Config> config, const session::SessionFacts& facts)
      : world_(world), config_(std::move(config)), facts_(&facts) {}

  // What any host might take; what the one of a mail cannot is told when it is known. DSN is not offered: the queue
  // then says by itself that the mail went on to where delivery is not reported (RFC 3461 section 5.2.2).
  smtp::Capabilities capabilities() const override {
    smtp::Capabilities out;
    out.smtp_utf8 = true;
    return out;
  }

  core::Task<Step> at_connect(const session::SessionFacts& facts) override {
    Step step = Continue{};
    if (facts.unnamed || !core::in_any(config_->clients, facts.client.ip))
      step = Verdict{{554, "5.7.1", {"This port is for the mail queue in egress.clients only"}, true}};
    co_return step;
  }
  core::Task<Step> at_helo(const session::SessionFacts&) override { co_return Step(Continue{}); }

  core::Task<Step> at_mail_from(const smtp::Path& path, const smtp::MailParameters& parameters) override {
    rcpts_.clear();
    Step step = Continue{};
    if (world_.trail.ledger().short_of_disk())
      step = Verdict{{452, "4.3.1", {"Insufficient system storage; try again later"}}};
    else
      mail_ =
          Mail{core::TransactionId::make(world_.clock.now_us() / 1000, config_->node, world_.random), path, parameters};
    co_return step;
  }

  core::Task<Step> at_rcpt_to(const smtp::Path& path, const smtp::RcptParameters&) override {
    Step step = Continue{};
    if (!config_->lmtp && !rcpts_.empty())
      step = Verdict{{451, "4.5.3", {"One recipient at a time over SMTP; the others come again"}}};
    else if (!path.address && !path.literal)
      step = Verdict{{550, "5.1.3", {"The address needs a domain"}}};
    else
      rcpts_.push_back(path);
    co_return step;
  }

  core::Task<smtp::Reply> at_message(std::shared_ptr<const mail::Message> message) override {
    const auto replies = co_await relay(std::move(message));
    co_return replies.empty() ? smtp::Reply{451, "4.3.0", {"Nothing was relayed"}} : replies.front();
  }
  core::Task<std::vector<smtp::Reply>> at_message_each(std::shared_ptr<const mail::Message> message) override {
    co_return co_await relay(std::move(message));
  }
  void at_reset() override { rcpts_.clear(); }
  core::Task<void> at_close(const session::SessionSummary&) override { co_return; }

 private:
  std::vector<Group> groups() const;
  transfer::Envelope envelope_for(const Group& group, const Mended& mended) const;
  core::Task<void> open(Group& group, const transfer::Envelope& envelope, dns::Resolver& resolver);
  core::Task<int> deliver(Group& group, const transfer::Envelope& envelope, const Mended& mended,
                          dns::Resolver& resolver);
  core::Task<std::vector<smtp::Reply>> relay(std::shared_ptr<const mail::Message> message);
  core::Task<void> deliver_all(std::vector<Group>& groups, const Mended& mended, dns::Resolver& resolver,
                               std::int64_t until_ms);

  World& world_;
  std::shared_ptr<const Config> config_;
  const session::SessionFacts* facts_;
  Mail mail_;
  std::vector<smtp::Path> rcpts_;  // each RCPT that was accepted, doubles too: LMTP answers each
};

std::vector<Group> Egress::groups() const {
  std::vector<Group> out;
  for (std::size_t i = 0; i < rcpts_.size(); ++i) {
    const smtp::Path& path = rcpts_[i];
    // With a fixed next hop there is one destination for all.
    const auto same = [&](const Group& g) {
      if (config_->next_hop) return true;
      return path.address ? g.domain && *g.domain == path.address->domain() : g.literal == path.literal;
    };
    auto at = std::find_if(out.begin(), out.end(), same);
    if (at == out.end()) {
      Group group;
      if (path.address) group.domain = &path.address->domain();
      group.literal = path.literal;
      at = out.insert(out.end(), std::move(group));
    }
    at->places.push_back(i);
  }
  return out;
}

transfer::Envelope Egress::envelope_for(const Group& group, const Mended& mended) const {
  const mail::Message& message = *mended.message;
  const std::string_view header = message.header_octets();
  const auto beyond_ascii = [](char c) { return static_cast<unsigned char>(c) > 127; };
  transfer::Envelope out;
  out.mail_from = mail_.path.text;
  out.eight_bit = mail_.parameters.body == smtp::BodyType::kEightBitMime;
  out.size_bytes = message.size();
  for (const auto& field : mended.prepend) out.size_bytes += field.size() + 2;
  out.smtp_utf8 = mail_.parameters.smtp_utf8;
  out.utf8_header = out.smtp_utf8 && std::any_of(header.begin(), header.end(), beyond_ascii);
  for (const std::size_t place : group.places) out.rcpts.push_back(rcpts_[place].text);
  return out;
}

// Tries the hosts in their order until one speaks SMTP with us; what it says then counts.
core::Task<void> Egress::open(Group& group, const transfer::Envelope& envelope, dns::Resolver& resolver) {
  Route route;
  if (config_->next_hop) {
    route.hosts.push_back({config_->world.tls_name, *config_->next_hop});
  } else if (group.literal) {
    route = literal_route(*group.literal, config_->route);
  } else {
    core::Budget budget;
    budget.dns_queries = config_->dns_queries;
    RouteRules rules = config_->route;
    rules.until_ms = std::min(io::now_ms() + kTryHostsMs, envelope.until_ms);
    route = co_await find_route(*group.domain, rules, resolver, world_.random, budget);
  }
  if (route.refusal) {
    const auto outcome = route.refusal->temporary() ? Outcome::kTemporary : Outcome::kRefused;
    group.host = group.domain ? group.domain->text() : "[" + group.literal->text() + "]";
    group.outcomes.assign(group.places.size(), {outcome, *route.refusal, ""});
    co_return;
  }
  const std::int64_t until_ms = std::min(io::now_ms() + kTryHostsMs, envelope.until_ms);
  for (const Host& host : route.hosts) {
    const auto hop = world_.hosts.at(host.name, host.at, *config_, world_.clock, world_.random, world_.pool);
    group.host = host.text();
    group.open.emplace(co_await hop->open(envelope));
    group.outcomes = group.open->rcpts();
    if (group.open->met() || io::now_ms() > until_ms) break;
  }
}

core::Task<int> Egress::deliver(Group& group, const transfer::Envelope& envelope, const Mended& mended,
                                dns::Resolver& resolver) {
  auto opening = open(group, envelope, resolver);
  co_await opening;
  if (!group.open || !group.open->any_accepted()) co_return 0;
  // Without time for the reply to its dot it would be taken and nobody would know: it comes again, undelivered.
  if (envelope.until_ms - io::now_ms() < config_->answer_ms / kDotShare) {
    for (auto& each : group.outcomes)
      if (each.outcome == Outcome::kAccepted)
        each = {Outcome::kTemporary, {451, "4.4.2", {"The host was too slow to be given the message in time"}}, ""};
    group.open.reset();
    co_return 0;
  }
  transfer::Edits edits{mended.prepend, {}};
  auto sending = group.open->send(mended.message, std::move(edits));
  group.outcomes = co_await sending;
  co_return 0;
}

core::Task<void> Egress::deliver_all(std::vector<Group>& groups, const Mended& mended, dns::Resolver& resolver,
                                     std::int64_t until_ms) {
  std::vector<transfer::Envelope> envelopes;  // outlive the tasks
  for (const Group& group : groups) {
    envelopes.push_back(envelope_for(group, mended));
    envelopes.back().until_ms = until_ms;
  }
  std::vector<core::Task<int>> delivering;
  for (std::size_t i = 0; i < groups.size(); ++i)
    delivering.push_back(deliver(groups[i], envelopes[i], mended, resolver));
  co_await core::when_all(std::move(delivering));
}

core::Task<std::vector<smtp::Reply>> Egress::relay(std::shared_ptr<const mail::Message> message) {
  const std::int64_t started_us = world_.clock.now_us(), until_ms = io::now_ms() + config_->answer_ms;
  const auto all = [this](smtp::Reply reply) { return std::vector<smtp::Reply>(rcpts_.size(), std::move(reply)); };
  if (message->received_count() > config_->received_max)
    co_return all({554, "5.4.6", {"Too many hops: the mail goes in circles"}});
  const auto resolver = world_.resolver();
  const Mended mended = co_await mend(world_, *config_, *facts_, mail_, message, *resolver);
  if (mended.failure) co_return all(*mended.failure);
  const std::int64_t decided_us = world_.clock.now_us();
  trail::Decided decided = decided_of(*config_, *facts_, mail_, rcpts_, *message, mended);
  decided.stage_times.push_back(
      {"message", static_cast<std::uint64_t>(std::max<std::int64_t>(decided_us - started_us, 0))});
  auto stored = co_await world_.trail.record(std::move(decided));
  if (!stored) co_return all({451, "4.3.0", {"The decision cannot be recorded; try again later"}});
  std::vector<Group> groups = this->groups();
  auto delivering = deliver_all(groups, mended, *resolver, until_ms);
  co_await delivering;
  std::vector<Told> told(rcpts_.size());
  for (const Group& group : groups)
    for (std::size_t i = 0; i < group.places.size(); ++i) {
      world_.meter.outgoing(group.outcomes[i].outcome);
      told[group.places[i]] = {group.host, group.outcomes[i], tell(group.host, group.outcomes[i])};
    }
  world_.trail.record_lazy(outcome_of(mail_, rcpts_, told, world_.clock.now_us() - decided_us));
  std::vector<smtp::Reply> out;
  for (auto& each : told) out.push_back(std::move(each.reply));
  rcpts_.clear();
  co_return out;
}

}  // namespace

std::unique_ptr<session::Road> make_road(World& world, std::shared_ptr<const Config> config,
                                         const session::SessionFacts& facts) {
  return std::make_unique<Egress>(world, std::move(config), facts);
}

}  // namespace sekisho::egress
