// What the ledger is told: facts of envelope, letterhead and identity, never content.
#include <algorithm>

#include "base/core/text.h"
#include "mail/address/utf8.h"
#include "road/identity/signature/signature.h"
#include "road/inbound/desk.h"

namespace sekisho::inbound {

namespace {

std::string result_word(road::AuthResult result) { return std::string(road::word(result)); }

void add_authentication(const identity::Papers& papers, std::vector<trail::Authentication>& out) {
  out.push_back({"spf", result_word(papers.spf_mfrom.result), papers.spf_mfrom.domain.text(),
                 std::string(spf::word(papers.spf_mfrom.identity))});
  if (!papers.spf_helo.domain.empty())
    out.push_back({"spf_helo", result_word(papers.spf_helo.result), papers.spf_helo.domain.text(), "helo"});
  if (papers.sender_id)
    out.push_back({"sender_id", result_word(papers.sender_id->pra.result), papers.sender_id->pra.domain.text(),
                   papers.sender_id->purported.header});
  for (const auto& v : papers.domainkeys.signatures)
    out.push_back({"domainkeys", result_word(v.result), v.signing_domain, core::printable(v.selector, 64)});
  for (const auto& v : papers.dkim)
    out.push_back({"dkim", result_word(v.result), v.signing_domain, core::printable(v.selector, 64)});
  if (papers.arc.result != road::AuthResult::kNone)
    out.push_back({"arc", result_word(papers.arc.result), papers.arc.sets.empty() ? "" : papers.arc.sets.back().sealer,
                   "i=" + std::to_string(papers.arc.instance)});
  if (papers.guard.result != road::AuthResult::kNone)
    out.push_back(
        {"protected", result_word(papers.guard.result), papers.guard.domain,
         core::printable(std::string(guard::word(papers.guard.rests_on)) + " " + papers.guard.identity, 120)});
  if (papers.smime && papers.smime->result != road::AuthResult::kNone)
    out.push_back({"smime", result_word(papers.smime->result), papers.smime->domain ? papers.smime->domain->text() : "",
                   papers.smime->serial.empty() ? "" : "serial " + papers.smime->serial});
  const auto& dmarc = papers.dmarc;
  out.push_back({"dmarc", result_word(dmarc.result), dmarc.author_domain ? dmarc.author_domain->text() : "",
                 "p=" + std::string(dmarc::word(dmarc.policy))});
  if (papers.iprev.result != road::AuthResult::kNone)
    out.push_back({"iprev", result_word(papers.iprev.result), papers.iprev.name ? papers.iprev.name->text() : "", ""});
}

}  // namespace

trail::Client client_of(const session::SessionFacts& facts) {
  trail::Client out;
  out.ip = facts.client.ip;
  out.port = facts.client.port;
  out.local_ip = facts.local.ip;
  out.local_port = facts.local.port;
  out.helo_domain = core::printable(facts.helo_domain, 255);
  if (facts.tls) out.tls = facts.tls->version + " " + facts.tls->cipher;
  if (facts.named_by == session::SessionFacts::NamedBy::kNobody) return out;
  out.named_by = facts.named_by == session::SessionFacts::NamedBy::kProxy ? "proxy" : "xclient";
  out.peer_ip = facts.peer.ip;
  out.peer_port = facts.peer.port;
  return out;
}

trail::Client client_of(const session::SessionFacts& facts, const Case& mail) {
  trail::Client out = client_of(facts);
  if (mail.papers.iprev.name) out.reverse_name = mail.papers.iprev.name->text();
  if (!mail.relay || mail.client.ip == facts.client.ip) return out;
  out.ip = mail.client.ip;
  out.port = 0;  // no Received tells it
  out.helo_domain = core::printable(mail.client.helo, 255);
  out.named_by = "received";
  out.relay_ip = facts.client.ip;
  out.peer_ip = facts.peer.ip;
  out.peer_port = facts.peer.port;
  return out;
}

trail::ReasonFact reason_of(const verdict::Reason& reason) {
  return {std::string(verdict::word(reason.stage)),  std::string(reason.room), std::string(reason.code),
          std::string(verdict::word(reason.action)), reason.evidence,          !reason.enforced};
}

trail::Decided decided_of(const session::SessionFacts& facts, const Open& open, const verdict::Verdict& verdict,
                          const trail::Digest& digest) {
  const auto& papers = open.mail.papers;
  const mail::Message& message = *open.transaction.message();
  trail::Decided out;
  out.transaction = open.transaction.id();
  out.session = facts.id;
  out.client = client_of(facts, open.mail);
  out.mail_from = mail::address_text(open.mail.client.mail_from);
  if (const auto& said = open.transaction.parameters().submitter) out.submitter = mail::address_text(said->text());
  for (const auto& path : open.transaction.rcpt_to()) {
    trail::Recipient recipient;
    recipient.address = path.text;
    recipient.domain = path.address ? path.address->domain().text() : "";
    out.recipients.push_back(std::move(recipient));
  }
  out.message_id = mail::message_id(message);
  if (!papers.author.addresses.empty())
    out.author_address = core::printable(papers.author.addresses.front().text(), 320);
  if (papers.author.author_domain) out.author_domain = papers.author.author_domain->text();
  out.size_bytes = message.size();
  out.digest = digest;
  for (const auto* findings : {&open.mail.findings, &papers.findings})
    for (const auto& f : *findings)
      out.findings.push_back({std::string(f.room), std::string(f.code), result_word(f.result), f.evidence});
  add_authentication(papers, out.authentication);
  out.action = verdict::word(verdict.action);
  out.would_be = verdict::word(verdict.would_be);
  for (const auto& reason : verdict.reasons) out.reasons.push_back(reason_of(reason));
  out.lawful_basis = verdict::word(verdict.basis);
  out.override_reason = verdict::word(verdict.override_reason);
  out.mode = open.observed ? "observe" : "enforce";
  out.road = "inbound";
  out.config_id = open.config().id;
  return out;
}

}  // namespace sekisho::inbound
