// From what the rooms found to what verdict wants to know; the same for the gate, check and replay.
#include "road/inbound/inbound.h"

namespace sekisho::inbound {

namespace {

verdict::SpfFacts facts(const spf::Evaluation& e) { return {e.result, e.domain.text(), e.explanation}; }

verdict::SenderDomain facts(envelope::SenderDomain domain) {
  switch (domain) {
    case envelope::SenderDomain::kGood:
      return verdict::SenderDomain::kGood;
    case envelope::SenderDomain::kNonExistent:
      return verdict::SenderDomain::kNonExistent;
    case envelope::SenderDomain::kNullMx:
      return verdict::SenderDomain::kNullMx;
    case envelope::SenderDomain::kNoAddress:
      return verdict::SenderDomain::kNoAddress;
    case envelope::SenderDomain::kTemporary:
      return verdict::SenderDomain::kTemporary;
  }
  return verdict::SenderDomain::kNotAsked;
}

verdict::OwnerPolicy facts(dmarc::Policy policy) {
  switch (policy) {
    case dmarc::Policy::kReject:
      return verdict::OwnerPolicy::kReject;
    case dmarc::Policy::kQuarantine:
      return verdict::OwnerPolicy::kQuarantine;
    case dmarc::Policy::kNone:
      break;
  }
  return verdict::OwnerPolicy::kNone;
}

core::Task<int> ask_sender_domain(mail::Domain domain, dns::Resolver& resolver, core::Budget& budget,
                                  envelope::SenderDomain& into) {
  into = co_await envelope::look_up(std::move(domain), resolver, budget);
  co_return 0;
}

core::Task<int> ask_identity(const identity::Client& client, const identity::Settings& settings,
                             dns::Resolver& resolver, const core::Clock& clock, std::int64_t now_s,
                             core::Budget& budget, identity::Papers& papers) {
  co_await identity::read_envelope(client, settings, resolver, clock, now_s, budget, papers);
  co_return 0;
}

}  // namespace

core::Task<void> read_envelope(Case& mail, const Config& config, dns::Resolver& resolver, const core::Clock& clock,
                               std::int64_t now_s, core::Budget& budget) {
  core::Budget domain_budget = budget;
  std::vector<core::Task<int>> all;
  all.push_back(ask_identity(mail.client, config.identity, resolver, clock, now_s, budget, mail.papers));
  auto domain = identity::domain_of(mail.client.mail_from);
  mail.sender_domain_asked = domain.has_value();
  if (domain) all.push_back(ask_sender_domain(std::move(*domain), resolver, domain_budget, mail.sender_domain));
  co_await core::when_all(std::move(all));
}

core::Task<void> read_message(Case& mail, const mail::Message& message, const Config& config, dns::Resolver& resolver,
                              std::int64_t now_s, unsigned sample, core::Budget& budget) {
  mail.received_count = static_cast<unsigned>(message.received_count());
  co_await identity::read_message(message, config.identity, resolver, now_s, sample, budget, mail.papers);
}

verdict::Facts facts_of(const Case& mail, road::Findings& all) {
  all = mail.findings;
  all.insert(all.end(), mail.papers.findings.begin(), mail.papers.findings.end());
  verdict::Facts out;
  out.spf_mail_from = facts(mail.papers.spf_mfrom);
  out.spf_helo = facts(mail.papers.spf_helo);
  for (const auto& signature : mail.papers.dkim)
    out.dkim.push_back({signature.result, signature.signing_domain, false, signature.testing});
  const auto& dmarc = mail.papers.dmarc;
  out.dmarc = {dmarc.result, facts(dmarc.policy), dmarc.testing,
               dmarc.author_domain ? dmarc.author_domain->text() : ""};
  out.findings = all;
  out.iprev = mail.papers.iprev.result;
  out.null_return_path = mail.client.mail_from.empty();
  out.exempt_recipient = mail.exempt_recipient;
  const auto domain = identity::domain_of(mail.client.mail_from);
  out.mail_from_domain = domain ? domain->text() : "";
  if (mail.sender_domain_asked) out.sender_domain = facts(mail.sender_domain);
  out.temperror_age_s = mail.temperror_age_s;
  out.received_count = mail.received_count;
  return out;
}

std::string temporary_domain(const Case& mail) {
  const auto& papers = mail.papers;
  const auto domain = identity::domain_of(mail.client.mail_from);
  if (mail.sender_domain_asked && mail.sender_domain == envelope::SenderDomain::kTemporary)
    return domain ? domain->text() : "";
  if (papers.spf_mfrom.result == road::AuthResult::kTempError) return papers.spf_mfrom.domain.text();
  if (papers.dmarc.result == road::AuthResult::kTempError && papers.dmarc.author_domain)
    return papers.dmarc.author_domain->text();
  for (const auto& signature : papers.dkim)
    if (signature.result == road::AuthResult::kTempError) return signature.signing_domain;
  return "";
}

}  // namespace sekisho::inbound
