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

// Where this mail comes from, as far as machines of egress.clients have noted it. What stands below our gate's field,
// and the results in the mail, are ours to believe then: our gate takes away forged ones.
enum class Origin : std::uint8_t {
  kHere,     // a program or a person of ours; or it cannot be told
  kOutside,  // our gate gave it to the MTA
  kThrough,  // our gate, then programs of ours: a list manager, a filter
};
Origin origin_of(const mail::Message& message, const Config& config) {
  const std::string by_us = "by " + core::to_lower(config.action.host) + " with ";
  unsigned steps = 0;
  for (const auto* field : message.all("Received")) {
    if (steps > 0 && core::to_lower(field->value).find(by_us) != std::string::npos)
      return steps == 1 ? Origin::kOutside : Origin::kThrough;
    const auto clause = received::parse(field->value);
    const bool local = clause.kind == received::Kind::kLocal;
    if (clause.kind == received::Kind::kUnreadable || (!local && !core::in_any(config.clients, clause.ip))) break;
    ++steps;
  }
  return Origin::kHere;
}

// What the seal says: signatures and chain as they are now, SPF and DMARC as they were at our gate.
core::Task<authres::Header> results_of(const mail::Message& message, const Config& config, dns::Resolver& resolver,
                                       const arc::Evaluation& chain, const authres::Header& gate, std::int64_t now_s,
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
  for (const auto& result : gate.results)
    if (result.method == "spf" || result.method == "dmarc") out.results.push_back(result);
  co_return out;
}

// Of what our gate found, what a seal may hand on.
authres::Header as_it_came(const authres::Header& gate) {
  authres::Header out{gate.authserv_id, 0, {}};
  for (const auto& result : gate.results)
    for (const std::string_view method : {"spf", "dkim", "dmarc", "arc"})
      if (result.method == method) out.results.push_back(result);
  return out;
}

struct Seen {
  arc::Evaluation chain;
  authres::Header results;
};
// Chain and results for a seal. A list manager changes the mail between our gate and here: then they are those of its
// arrival (RFC 8617 section 5.1), as our gate wrote them down.
core::Task<Seen> seen_of(const mail::Message& message, const Config& config, dns::Resolver& resolver,
                         mediation::Path path, Origin origin, std::int64_t now_s, io::Pool& pool) {
  Seen out;
  core::Budget budget;
  authres::Header gate;
  if (origin != Origin::kHere) gate = arc::results_of(message, config.mediation.authserv_id, budget);
  const authres::Header came = as_it_came(gate);
  const bool redistributed = path == mediation::Path::kList && origin == Origin::kThrough && !came.results.empty();
  arc::Options options;
  options.now_s = now_s;
  options.changed_since = redistributed && std::any_of(came.results.begin(), came.results.end(), [](const auto& r) {
                            return r.method == "arc" && r.result == "pass";
                          });
  core::Budget arc_budget;
  out.chain = co_await arc::verify(message, resolver, options, arc_budget);
  if (redistributed)
    out.results = came;
  else
    out.results = co_await results_of(message, config, resolver, out.chain, gate, now_s, pool);
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
  // mail that an alias sends on would leave with our signature. A list's mail comes from the list manager.
  const Origin origin = origin_of(*message, config);
  if (path == mediation::Path::kList ? origin == Origin::kOutside : origin != Origin::kHere)
    path = mediation::Path::kForward;
  if (mediation::asks_policy(path) && out.author.author_domain)
    known.policy = co_await policy_of(*out.author.author_domain, config, resolver);
  Seen seen;
  if (mediation::asks_chain(path, config.mediation)) {
    seen = co_await seen_of(*message, config, resolver, path, origin, now_s, world.pool);
    known.chain = &seen.chain;
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
      made = mediation::apply(message, out.plan, config.mediation, known.chain, seen.results, now_s, date);
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
