#include "cmd/judge.h"

#include <boost/json.hpp>
#include <cmath>
#include <ctime>

#include "base/core/text.h"
#include "cmd/present.h"

namespace sekisho::cmd {

namespace json = boost::json;

namespace {

double cpu_ms() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_nsec) / 1e6;
}

void note_recipients(inbound::Case& mail) {
  mail.exempt_recipient = !mail.rcpt_to.empty();
  for (const auto& rcpt : mail.rcpt_to) {
    const auto address = mail::Address::parse(rcpt);
    mail.exempt_recipient = mail.exempt_recipient && address && envelope::is_postmaster_or_abuse(*address);
  }
}

}  // namespace

Judge::Judge(std::shared_ptr<const inbound::Config> config, std::unique_ptr<dns::Resolver> resolver)
    : config_(std::move(config)), owned_(std::move(resolver)), resolver_(*owned_) {}
Judge::Judge(std::shared_ptr<const inbound::Config> config, dns::Resolver& resolver)
    : config_(std::move(config)), resolver_(resolver) {}

Judged Judge::run(Question question) { return io::run(judge(std::move(question))); }

core::Task<Judged> Judge::judge(Question question) {
  core::SystemClock clock;
  CountingResolver resolver(resolver_);
  const double started = cpu_ms();
  Judged out;
  out.mail.client = {question.ip, question.helo, question.mail_from};
  out.mail.rcpt_to = question.rcpt_to;
  note_recipients(out.mail);
  out.mail.relayed = core::in_any(config_->trusted_relays, question.ip);
  core::Budget budget;
  budget.dns_queries = config_->dns_queries;
  co_await inbound::read_envelope(out.mail, *config_, resolver, clock, question.now_s, budget);
  auto message = mail::Message::from_file(std::move(question.octets), budget);
  if (message) {
    out.message = *message;
    co_await inbound::read_message(out.mail, *out.message, *config_, resolver, clock, question.now_s, 0, budget);
  } else {
    out.mail.findings.push_back(author::finding_of(message.error()));
    out.mail.papers.dmarc.result = road::AuthResult::kPermError;
    out.mail.papers.dmarc.reason = "the message cannot be read, so nobody's name can be proven";
  }
  const verdict::Facts facts = inbound::facts_of(out.mail, out.findings);
  out.verdict = verdict::decide(facts, config_->policy, verdict::Moment::kMessage);
  action::Arrival arrival;
  arrival.client_ip = out.mail.client.ip;
  arrival.helo = out.mail.client.helo;
  arrival.relay = out.mail.relay;
  arrival.mail_from = question.mail_from;
  if (out.mail.papers.iprev.result == road::AuthResult::kPass && out.mail.papers.iprev.name)
    arrival.reverse_name = out.mail.papers.iprev.name->text();
  arrival.id = "check";
  arrival.now_s = question.now_s;
  if (out.message)
    out.headers = action::write_headers(*out.message, out.mail.papers, out.verdict, config_->action, arrival);
  else
    out.headers.authentication_results = action::authentication_results(out.mail.papers, config_->action, arrival);
  out.queries = resolver.queries();
  out.names = resolver.names();
  out.cpu_ms = cpu_ms() - started;
  co_return out;
}

BothWays Judge::both_ways(const Judged& judged) {
  const auto& identity = config_->identity;
  core::Budget budget;
  auto question = identity::dmarc_question(judged.mail.papers, 0);
  BothWays both =
      io::run(look_both_ways(std::move(question.inputs), resolver_, identity.dmarc_method, identity.psl, budget));
  for (dmarc::Evaluation* e : {&both.tree, &both.psl})  // as identity does with a From that can be read in two ways
    if (question.ambiguous && e->result == road::AuthResult::kPass) {
      e->result = road::AuthResult::kNone;
      e->spf_aligned = e->dkim_aligned = false;
    }
  return both;
}

namespace {

json::array reasons_json(const verdict::Verdict& verdict) {
  json::array out;
  for (const auto& r : verdict.reasons) {
    const auto text = road::explain({r.room, r.code, road::AuthResult::kNone, r.evidence});
    out.push_back({{"stage", verdict::word(r.stage)},
                   {"code", r.code},
                   {"action", verdict::word(r.action)},
                   {"enforced", r.enforced},
                   {"text", {{"en", utf8(text.en)}, {"ja", utf8(text.ja)}}}});
  }
  return out;
}

json::object headers_json(const action::Headers& headers) {
  json::array removed, added;
  for (const auto& r : headers.removed)
    removed.push_back({{"name", utf8(r.field->name)},
                       {"index", r.index},
                       {"value", utf8(core::trim_fws(r.field->value))},
                       {"reason", r.reason}});
  for (const auto& field : headers.added) {
    const auto colon = field.find(':');
    added.push_back(
        {{"name", field.substr(0, colon)}, {"value", utf8(core::trim_fws(std::string_view(field).substr(colon + 1)))}});
  }
  return {{"removed", removed}, {"added", added}};
}

}  // namespace

json::object to_json(const Judged& judged) {
  const auto& papers = judged.mail.papers;
  const auto& verdict = judged.verdict;
  json::array addresses, names;
  for (const auto& a : papers.author.addresses) addresses.push_back(json::value(utf8(a.text())));
  for (const auto& n : judged.names) names.push_back(json::value(n));
  json::value reply = nullptr;
  if (verdict.action >= verdict::Action::kDefer) {
    std::string text = std::to_string(verdict.reply.code) + " " + verdict.reply.enhanced;
    for (const auto& line : verdict.reply.lines) text += " " + line;
    reply = json::value(utf8(text));
  }
  json::object dmarc = to_json(papers.dmarc);
  if (const auto why = verdict::word(verdict.override_reason); !why.empty()) dmarc["override"] = why;
  return {{"spf", {{"mfrom", to_json(papers.spf_mfrom)}, {"helo", to_json(papers.spf_helo)}}},
          {"sender_id", papers.sender_id ? json::value(to_json(*papers.sender_id)) : json::value(nullptr)},
          {"domainkeys", to_json(papers.domainkeys)},
          {"dkim", to_json(std::span<const dkim::Verification>(papers.dkim))},
          {"dmarc", dmarc},
          {"arc", to_json(papers.arc)},
          {"smime", papers.smime ? json::value(to_json(*papers.smime)) : json::value(nullptr)},
          {"protected", to_json(papers.guard)},
          {"iprev",
           {{"result", road::word(papers.iprev.result)},
            {"evidence", word(Evidence::kAddress)},
            {"name", papers.iprev.name ? json::value(papers.iprev.name->text()) : json::value(nullptr)},
            {"reason", utf8(papers.iprev.reason)}}},
          {"author",
           {{"addresses", addresses},
            {"domain",
             papers.author.author_domain ? json::value(papers.author.author_domain->text()) : json::value(nullptr)}}},
          {"rating", nullptr},
          {"findings", to_json(std::span<const road::Finding>(judged.findings))},
          {"verdict",
           {{"action", verdict::word(verdict.action)},
            {"would_be", verdict::word(verdict.would_be)},
            {"reply", reply},
            {"lawful_basis", verdict::word(verdict.basis)},
            {"reasons", reasons_json(verdict)}}},
          {"headers", headers_json(judged.headers)},
          {"dns", {{"queries", judged.queries}, {"names", names}}},
          {"cpu_ms", std::round(judged.cpu_ms * 1000) / 1000},
          {"authentication_results", utf8(judged.headers.authentication_results)}};
}

}  // namespace sekisho::cmd
