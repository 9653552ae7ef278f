#include "gate/egress/mend.h"

#include <algorithm>

#include "base/core/text.h"
#include "mail/received/received.h"
#include "road/identity/dkim/dkim.h"
#include "road/identity/dmarc/dmarc.h"
#include "road/identity/signature/signature.h"

namespace sekisho::egress {
namespace {

std::string trace_field(const Config& config, const session::SessionFacts& facts, const Mail& mail,
                        std::int64_t now_s) {
  action::Arrival arrival;
  arrival.client_ip = facts.client.ip;
  arrival.helo = facts.helo_domain;
  arrival.mail_from = mail.path.text;
  arrival.esmtp = facts.extended_helo;
  arrival.utf8 = mail.parameters.smtp_utf8;
  if (facts.tls) arrival.tls = facts.tls->version + " " + facts.tls->cipher;
  arrival.id = mail.id.text();
  arrival.now_s = now_s;
  return action::write_trace(config.action, arrival).added.front();
}

core::Task<std::optional<dmarc::Policy>> policy_of(const mail::Domain& author, const Config& config,
                                                   dns::Resolver& resolver) {
  dmarc::Inputs inputs;
  inputs.author_domain = author;
  dmarc::Options options;
  options.method = config.dmarc_method;
  options.psl = config.psl.get();
  core::Budget budget;
  budget.dns_queries = 40;
  const auto found = co_await dmarc::evaluate(inputs, resolver, options, budget);
  std::optional<dmarc::Policy> out;
  if (found.result != road::AuthResult::kTempError) out = found.published;
  co_return out;
}

// Who gave this mail to the MTA. Our own gate, and the results in it are ours: the first hop that the header names is
// this machine or another of egress.clients, and our gate wrote the field below it.
enum class Origin : std::uint8_t {
  kHere,     // a program, a person, a list manager; or it cannot be told
  kOutside,  // our gate
  kResent,   // our gate, and then a program that sent it on through the MTA's sendmail command
};
Origin origin_of(const mail::Message& message, const Config& config) {
  bool handed = false, resent = false;
  for (const auto* field : message.all("Received")) {
    if (!handed) {
      const auto clause = received::parse(field->value);
      if (clause.kind == received::Kind::kUnreadable) return Origin::kHere;
      if (clause.kind == received::Kind::kLocal) {
        resent = true;
        continue;
      }
      if (!core::in_any(config.clients, clause.ip)) return Origin::kHere;
      handed = true;
      continue;
    }
    const std::string by_us = "by " + core::to_lower(config.action.host) + " with ";
    if (core::to_lower(field->value).find(by_us) == std::string::npos) return Origin::kHere;
    return resent ? Origin::kResent : Origin::kOutside;
  }
  return Origin::kHere;
}

// What the seal says: signatures and chain as they are now, SPF and DMARC as they were at our gate.
core::Task<authres::Header> results_of(const mail::Message& message, const Config& config, dns::Resolver& resolver,
                                       const arc::Evaluation& chain, bool from_outside, std::int64_t now_s,
                                       io::Pool& pool) {
  authres::Header out;
  core::Budget budget;
  out.authserv_id = config.mediation.authserv_id;
  dkim::Options options;
  options.now_s = now_s;
  options.pool = &pool;
  road::Findings findings;
  const auto signatures = co_await dkim::verify(message, resolver, options, budget, findings);
  for (const auto& v : signatures) {
    authres::MethodResult result{"dkim", std::string(road::word(v.result))};
    if (!v.signing_domain.empty()) result.properties.push_back({"header", "d", v.signing_domain});
    if (!v.selector.empty()) result.properties.push_back({"header", "s", v.selector});
    out.results.push_back(std::move(result));
  }
  if (chain.result != road::AuthResult::kNone) out.results.push_back({"arc", std::string(road::word(chain.result))});
  if (!from_outside) co_return out;
  const auto seen = arc::results_of(message, config.mediation.authserv_id, budget);
  for (const auto& result : seen.results)
    if (result.method == "spf" || result.method == "dmarc") out.results.push_back(result);
  co_return out;
}

}  // namespace

core::Task<Mended> mend(World& world, const Config& config, const session::SessionFacts& facts, const Mail& mail,
                        std::shared_ptr<const mail::Message> message, dns::Resolver& resolver) {
  const std::int64_t now_s = world.clock.now_s();
  Mended out;
  out.message = message;
  core::Budget budget;
  out.author = author::evaluate(*message, budget, false);
  mediation::Facts known{*message, out.author, mail.path.text, {}, nullptr};
  auto path = mediation::path_of(known, config.mediation);
  // What our own gate let in from outside is nobody's of ours, whatever its From, return path and List-Id say: a forged
  // mail that an alias sends on would leave with our signature. A list manager hands its mail to the MTA by itself,
  // some by the sendmail command.
  const Origin origin = origin_of(*message, config);
  const bool from_outside = origin != Origin::kHere;
  const bool list = path == mediation::Path::kList;
  if (list ? origin == Origin::kOutside : from_outside) path = mediation::Path::kForward;
  if (mediation::asks_policy(path) && out.author.author_domain)
    known.policy = co_await policy_of(*out.author.author_domain, config, resolver);
  arc::Evaluation chain;
  authres::Header results;
  if (mediation::asks_chain(path, config.mediation)) {
    arc::Options options;
    options.now_s = now_s;
    core::Budget arc_budget;
    chain = co_await arc::verify(*message, resolver, options, arc_budget);
    results = co_await results_of(*message, config, resolver, chain, from_outside, now_s, world.pool);
    known.chain = &chain;
  }
  std::function<void()> hash = [&] { out.digest = signature::message_digest(*message); };
  if (message->size() > dkim::kBigBytes)
    co_await world.pool.run(hash);
  else
    hash();
  out.plan = mediation::plan(known, config.mediation, path);
  out.observed = config.observe || world.overrides.bypassed(now_s);
  if (!out.observed && !out.plan.steps.empty()) {
    core::Result<mediation::Applied, mediation::Fault> made = core::error(mediation::Fault::kHeader);
    const std::string date = action::date_text(now_s);
    std::function<void()> work = [&] {
      made = mediation::apply(message, out.plan, config.mediation, known.chain, results, now_s, date);
    };
    co_await world.pool.run(std::move(work));
    if (made) {
      out.message = made->message;
      out.prepend = std::move(made->prepend);
      for (const auto& step : out.plan.steps) world.meter.change(step.change);
    } else {
      // Unsigned it would be taken for forged: it waits in the queue until somebody has looked.
      const std::string why(mediation::word(made.error()));
      out.failure = smtp::Reply{451, "4.7.0", {"The mail cannot be signed or sealed: " + why}};
    }
  }
  out.prepend.push_back(trace_field(config, facts, mail, now_s));
  co_return out;
}

}  // namespace sekisho::egress
