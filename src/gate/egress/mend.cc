#include "gate/egress/mend.h"

#include <algorithm>

#include "base/core/text.h"
#include "gate/egress/origin.h"
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

// What our gate wrote into this mail, where nobody else can have: above its own Received, with hops that can be read.
authres::Header gate_results(const mail::Message& message, const Origin& origin, const std::string& authserv_id,
                             core::Budget& budget) {
  authres::Header out{authserv_id, 0, {}};
  if (!origin.certain) return out;
  for (const auto* field : above_gate(message, origin, "Authentication-Results")) {
    const auto read = authres::parse(field->value, budget);
    if (!read || !authres::same_id(read->authserv_id, authserv_id)) continue;
    out.results.insert(out.results.end(), read->results.begin(), read->results.end());
  }
  return out;
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
                         mediation::Path path, const Origin& origin, std::int64_t now_s, io::Pool& pool) {
  Seen out;
  core::Budget budget;
  const authres::Header gate = gate_results(message, origin, config.mediation.authserv_id, budget);
  const authres::Header came = as_it_came(gate);
  const bool redistributed = path == mediation::Path::kList && origin.gate && !came.results.empty();
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
  // mail that an alias sends on would leave with our signature. A list's mail is the list manager's, who has sent it
  // anew, whoever posted.
  const Origin origin = origin_of(*message, config.action.host, config.clients);
  const bool anew = path == mediation::Path::kList && sent_anew(*message, origin, mail.path.text);
  if (origin.gate && !anew) path = mediation::Path::kForward;
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
