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

core::Task<int> ask_sender_domain(mail::Domain domain, envelope::Wanted wanted, dns::Resolver& resolver,
                                  core::Budget& budget, envelope::SenderDomain& into) {
  into = co_await envelope::look_up(std::move(domain), wanted, resolver, budget);
  co_return 0;
}

// Only now, with the header here, it is known for whom a trusted relay speaks.
core::Task<void> read_origin(Case& mail, const mail::Message& message, const Config& config, dns::Resolver& resolver,
                             const core::Clock& clock, std::int64_t now_s, core::Budget& budget) {
  mail.relay = action::Arrival::Relay{mail.client.ip, mail.client.helo};
  const relay::Origin origin = relay::find(message, config.trusted_relays, mail.client.ip, mail.client.helo);
  if (origin.found == relay::Found::kUnknown) {
    mail.findings.push_back({"relay", "relay_origin_unknown", road::AuthResult::kNone, mail.client.ip.text()});
    co_return;
  }
  mail.client.ip = origin.ip;
  mail.client.helo = origin.helo;
  co_await identity::read_mail_from(mail.client, config.identity, resolver, clock, now_s, budget, mail.papers);
  if (identity::spent(mail.papers)) co_return;
  co_await identity::read_client(mail.client, config.identity, resolver, clock, now_s, budget, mail.papers);
}

core::Task<int> ask_client(const identity::Client& client, const identity::Settings& settings, dns::Resolver& resolver,
                           const core::Clock& clock, std::int64_t now_s, core::Budget& budget,
                           identity::Papers& papers) {
  co_await identity::read_client(client, settings, resolver, clock, now_s, budget, papers);
  co_return 0;
}

// What the policy would act on and SPF's own look-up has not told.
envelope::Wanted wanted_of(const Case& mail, const verdict::Policy& policy) {
  using verdict::Cell;
  const auto acts = [&](Cell cell) { return policy.at(cell) != verdict::Action::kAccept; };
  const bool exists = mail.papers.spf_mfrom.name == spf::Evaluation::Name::kExists;
  envelope::Wanted out;
  out.existence = !exists && (acts(Cell::k_sender_domain_nonexistent) || acts(Cell::k_sender_domain_temperror));
  out.null_mx = acts(Cell::k_sender_domain_null_mx);
  out.address = acts(Cell::k_sender_domain_no_address);
  return out;
}

}  // namespace

core::Task<void> read_envelope(Case& mail, const Config& config, dns::Resolver& resolver, const core::Clock& clock,
                               std::int64_t now_s, core::Budget& budget) {
  if (!mail.relayed)
    co_await identity::read_mail_from(mail.client, config.identity, resolver, clock, now_s, budget, mail.papers);
  auto domain = identity::domain_of(mail.client.mail_from);
  mail.sender_domain_asked = domain.has_value();
  if (domain && mail.papers.spf_mfrom.name == spf::Evaluation::Name::kMissing) {
    mail.sender_domain =
        envelope::SenderDomain::kNonExistent;  // RFC 8020: NXDOMAIN is about the name, whatever the type
    domain.reset();
  }
  // Its record led to ten other places: it exists, and a null MX (RFC 7505) would deny what the record says.
  if (identity::spent(mail.papers)) co_return;
  core::Budget domain_budget = budget;
  std::vector<core::Task<int>> all;
  if (!mail.relayed)
    all.push_back(ask_client(mail.client, config.identity, resolver, clock, now_s, budget, mail.papers));
  const envelope::Wanted wanted = wanted_of(mail, config.policy);
  if (domain) all.push_back(ask_sender_domain(std::move(*domain), wanted, resolver, domain_budget, mail.sender_domain));
  co_await core::when_all(std::move(all));
}

core::Task<void> read_message(Case& mail, const mail::Message& message, const Config& config, dns::Resolver& resolver,
                              const core::Clock& clock, std::int64_t now_s, unsigned sample, core::Budget& budget,
                              io::Pool* pool) {
  if (mail.relayed) co_await read_origin(mail, message, config, resolver, clock, now_s, budget);
  mail.received_count = static_cast<unsigned>(message.received_count());
  co_await identity::read_message(mail.client, message, config.identity, resolver, clock, now_s, sample, budget,
                                  mail.papers, pool);
}

verdict::Facts facts_of(const Case& mail, road::Findings& all) {
  all = mail.findings;
  all.insert(all.end(), mail.papers.findings.begin(), mail.papers.findings.end());
  verdict::Facts out;
  out.spf_mail_from = facts(mail.papers.spf_mfrom);
  out.spf_helo = facts(mail.papers.spf_helo);
  if (!mail.papers.forwarded_by.empty()) out.explained = verdict::Override::kTrustedForwarder;
  if (!mail.papers.vouched_by.empty()) out.explained = verdict::Override::kArc;
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
