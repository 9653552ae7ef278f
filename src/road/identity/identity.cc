#include "road/identity/identity.h"

namespace sekisho::identity {

namespace {

void append(road::Findings& to, const road::Findings& from) { to.insert(to.end(), from.begin(), from.end()); }

core::Task<int> check_spf(const spf::Query& query, dns::Resolver& resolver, core::Budget& budget,
                          const spf::Settings& settings, spf::Evaluation& into) {
  into = co_await spf::evaluate(query, resolver, budget, settings);
  co_return 0;
}

core::Task<int> check_iprev(core::IpAddress ip, dns::Resolver& resolver, core::Budget& budget,
                            iprev::Evaluation& into) {
  into = co_await iprev::evaluate(ip, resolver, budget);
  co_return 0;
}

}  // namespace

std::optional<mail::Domain> domain_of(std::string_view mail_from) {
  const auto at = mail_from.rfind('@');
  return at == std::string_view::npos ? std::nullopt : mail::Domain::parse(mail_from.substr(at + 1));
}

core::Task<void> read_mail_from(const Client& client, const Settings& settings, dns::Resolver& resolver,
                                const core::Clock& clock, std::int64_t now_s, core::Budget& budget, Papers& papers) {
  spf::Settings limits;
  limits.elapsed_ms_max = settings.time_ms;
  limits.clock = &clock;
  const spf::Query query{client.ip, client.helo, client.mail_from, spf::Identity::kMfrom, settings.host, now_s};
  papers.spf_mfrom = co_await spf::evaluate(query, resolver, budget, limits);
  append(papers.findings, papers.spf_mfrom.findings);
}

core::Task<void> read_client(const Client& client, const Settings& settings, dns::Resolver& resolver,
                             const core::Clock& clock, std::int64_t now_s, core::Budget& budget, Papers& papers) {
  spf::Settings limits;
  limits.elapsed_ms_max = settings.time_ms;
  limits.clock = &clock;
  const spf::Query query{client.ip, client.helo, client.mail_from, spf::Identity::kHelo, settings.host, now_s};
  // Each has a budget of its own: a record made to be costly must not silence the other.
  core::Budget helo_budget = budget, iprev_budget = budget;
  std::vector<core::Task<int>> all;
  // RFC 7208 section 2.4: of the null return path the HELO name has been checked already.
  if (papers.spf_mfrom.identity == spf::Identity::kHelo)
    papers.spf_helo = papers.spf_mfrom;
  else
    all.push_back(check_spf(query, resolver, helo_budget, limits, papers.spf_helo));
  all.push_back(check_iprev(client.ip, resolver, iprev_budget, papers.iprev));
  co_await core::when_all(std::move(all));
}

bool spent(const Papers& papers) { return papers.spf_mfrom.lookups >= spf::Settings{}.lookups_max; }

core::Task<void> read_sender_id(const Client& client, const mail::Message& message, const Settings& settings,
                                dns::Resolver& resolver, const core::Clock& clock, std::int64_t now_s,
                                core::Budget budget, Papers& papers) {
  sender_id::Settings how;
  how.pra_uses_spf1 = settings.sender_id_pra_spf1;
  how.limits.explain = false;
  how.limits.elapsed_ms_max = settings.time_ms;
  how.limits.clock = &clock;
  const sender_id::Query query{client.ip, client.helo, client.mail_from, settings.host, now_s};
  papers.sender_id = co_await sender_id::evaluate(query, message, resolver, budget, how);
  append(papers.findings, papers.sender_id->findings);
}

bool guarded(const Settings& settings) { return settings.guard && !settings.guard->empty(); }

// The word of a trusted sealer for the author; null when there is none, or nobody asks for it.
const arc::Set* find_voucher(const Settings& settings, core::Budget& budget, const Papers& papers) {
  if (papers.dmarc.result != road::AuthResult::kFail && !guarded(settings)) return nullptr;
  if (!papers.author.author_domain) return nullptr;
  return arc::vouching_set(papers.arc, *papers.author.author_domain, settings.trusted_sealers, budget);
}

// RFC 8617 section 7.2.1: a chain may explain the failure of a policy that the mail met before it was changed.
void note_voucher(const Settings& settings, const arc::Set* set, Papers& papers) {
  if (!set || papers.dmarc.result != road::AuthResult::kFail) return;
  papers.vouched_by = set->sealer;
  std::string evidence = set->sealer;
  for (const auto& trusted : settings.trusted_sealers)
    if (trusted.sealer.text() == set->sealer && !trusted.why.empty()) evidence += ", " + trusted.why;
  papers.findings.push_back({"arc", "arc_trusted", road::AuthResult::kPass, std::move(evidence)});
}

// Protected domains, and what a declared forwarder explains (RFC 7960 section 4.1: forwarding breaks SPF, and at times
// the signature too).
void look_at_phone(const Client& client, const Settings& settings, const dmarc::Inputs& asked, const arc::Set* voucher,
                   Papers& papers) {
  if (!guarded(settings)) return;
  guard::Inputs inputs{papers.author, papers.dmarc};
  inputs.psl = settings.psl;
  inputs.client_ip = client.ip;
  inputs.identities.push_back({guard::Evidence::kAddress, asked.spf_result, asked.spf_domain});
  for (const auto& signature : asked.dkim)
    inputs.identities.push_back({guard::Evidence::kSignature, signature.result, signature.signing_domain});
  if (voucher) inputs.vouched_by = voucher->sealer;
  papers.guard = guard::evaluate(inputs, *settings.guard);
  append(papers.findings, papers.guard.findings);
  if (papers.dmarc.result != road::AuthResult::kFail) return;
  if (const auto* forwarder = guard::forwarder_of(inputs, *settings.guard)) papers.forwarded_by = forwarder->why;
}

DmarcQuestion dmarc_question(const Papers& papers, unsigned sample) {
  DmarcQuestion out;
  dmarc::Inputs& inputs = out.inputs;
  inputs.author_domain = papers.author.author_domain;
  inputs.more_author_domains = papers.author.other_domains;
  out.ambiguous = !inputs.author_domain && !inputs.more_author_domains.empty();
  if (out.ambiguous) {
    inputs.author_domain = inputs.more_author_domains.front();
    inputs.more_author_domains.erase(inputs.more_author_domains.begin());
  }
  inputs.spf_result = papers.spf_mfrom.result;
  inputs.spf_domain = mail::Domain::parse(papers.spf_mfrom.domain.view());
  using Name = spf::Evaluation::Name;
  if (papers.spf_mfrom.name != Name::kUnknown) inputs.spf_domain_exists = papers.spf_mfrom.name == Name::kExists;
  for (const auto& signature : papers.dkim) inputs.dkim.push_back({signature.result, signature.domain});
  inputs.sample = sample;
  return out;
}

core::Task<void> read_message(const Client& client, const mail::Message& message, const Settings& settings,
                              dns::Resolver& resolver, const core::Clock& clock, std::int64_t now_s, unsigned sample,
                              core::Budget& budget, Papers& papers, io::Pool* pool) {
  papers.author = author::evaluate(message, budget, guarded(settings));
  append(papers.findings, papers.author.findings);
  if (settings.sender_id && !spent(papers))
    co_await read_sender_id(client, message, settings, resolver, clock, now_s, budget, papers);

  domainkeys::Options domainkeys_options;
  domainkeys_options.legacy = settings.dkim_legacy;
  core::Budget domainkeys_budget = budget;
  papers.domainkeys = co_await domainkeys::verify(message, resolver, domainkeys_options, domainkeys_budget);
  append(papers.findings, papers.domainkeys.findings);

  dkim::Options options;
  options.now_s = now_s;
  options.legacy = settings.dkim_legacy;
  options.pool = pool;
  if (settings.psl)
    options.is_public_suffix = [psl = settings.psl](const mail::Domain& d) { return psl->is_public_suffix(d); };
  papers.dkim = co_await dkim::verify(message, resolver, options, budget, papers.findings);

  arc::Options arc_options;
  arc_options.now_s = now_s;
  core::Budget arc_budget = budget;
  papers.arc = co_await arc::verify(message, resolver, arc_options, arc_budget);
  append(papers.findings, papers.arc.findings);

  if (settings.smime) {
    core::Budget smime_budget;  // of its own: what DKIM spent on the body says nothing here
    // Where readers could see different authors, no signer is the author.
    std::vector<mail::Address> authors;
    if (papers.author.author_domain) authors = papers.author.addresses;
    const smime::Options how{now_s, pool};
    papers.smime = co_await smime::verify(message, authors, settings.smime, how, smime_budget);
    append(papers.findings, papers.smime->findings);
  }
  const DmarcQuestion question = dmarc_question(papers, sample);
  dmarc::Options dmarc_options;
  dmarc_options.method = settings.dmarc_method;
  dmarc_options.psl = settings.psl;
  core::Budget dmarc_budget;  // of its own, or a mail that wastes look-ups elsewhere escapes its owner's policy
  dmarc_budget.dns_queries = 40;
  papers.dmarc = co_await dmarc::evaluate(question.inputs, resolver, dmarc_options, dmarc_budget);
  if (question.ambiguous && papers.dmarc.result == road::AuthResult::kPass) {
    papers.dmarc.result = road::AuthResult::kNone;
    papers.dmarc.reason = "mail readers could show different authors, so no pass may speak for one of them";
    papers.dmarc.spf_aligned = papers.dmarc.dkim_aligned = false;
  }
  append(papers.findings, papers.dmarc.findings);
  const arc::Set* voucher = find_voucher(settings, arc_budget, papers);
  note_voucher(settings, voucher, papers);
  look_at_phone(client, settings, question.inputs, voucher, papers);
}

}  // namespace sekisho::identity
