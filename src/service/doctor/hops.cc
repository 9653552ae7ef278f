#include <algorithm>

#include "base/core/text.h"
#include "mail/message/message.h"
#include "service/doctor/checks.h"
#include "service/doctor/hop_probe.h"
#include "service/doctor/probes.h"

namespace sekisho::doctor {
namespace {
using transfer::Tls;
constexpr std::int64_t kLeastSilenceMs = 1'200, kMostSilenceMs = 15'000;

void extensions(Visit visit, const transfer::Options& hop, const RawClient& client) {
  std::string list;
  for (const auto& line : client.extensions()) list += (list.empty() ? "" : ", ") + line;
  std::string missing;
  for (const char* wanted : {"PIPELINING", "8BITMIME"})
    if (!client.offers(wanted)) missing += (missing.empty() ? "without " : " and ") + std::string(wanted);
  visit.sheet.add(Id::k_hop_extensions, missing.empty() ? Grade::kOk : Grade::kWarning, hop.name,
                  missing.empty() ? list : missing + ": " + list);
  const auto size = core::parse_uint(client.value_of("SIZE")).value_or(0);
  if (size == 0) return;
  visit.sheet.add(Id::k_hop_size, size < visit.patient.message_bytes ? Grade::kWarning : Grade::kOk, hop.name,
                  std::to_string(size) + " octets, mx.message_bytes is " + std::to_string(visit.patient.message_bytes));
}

core::Task<void> encryption(Visit visit, const transfer::Options& hop, RawClient& client) {
  const bool must = hop.tls == Tls::kEncrypt || hop.tls == Tls::kRequired;
  if (hop.tls == Tls::kOff) {
    visit.sheet.add(Id::k_hop_tls, Grade::kSkipped, hop.name, "next_hop.tls is off");
    co_return;
  }
  if (!client.offers("STARTTLS")) {
    const bool near = hop.address.ip.is_loopback() || !hop.unix_path.empty();
    visit.sheet.add(Id::k_hop_tls,
                    must   ? Grade::kFailure
                    : near ? Grade::kOk
                           : Grade::kWarning,
                    hop.name, near && !must ? "not offered; it is on this machine" : "STARTTLS is not offered");
    co_return;
  }
  auto context = hop.tls_context ? hop.tls_context : io::TlsContext::client();
  const std::string fault = co_await client.secure(*context, hop.tls_name);
  if (!fault.empty()) {
    visit.sheet.add(Id::k_hop_tls, must ? Grade::kFailure : Grade::kWarning, hop.name, fault);
    co_return;
  }
  const auto facts = client.tls();
  visit.sheet.add(Id::k_hop_tls, Grade::kOk, hop.name,
                  facts->version + " " + facts->cipher +
                      (facts->verified ? ", certificate proven" : ", certificate not looked at"));
}

core::Task<void> recipients(Visit visit, const transfer::Options& hop) {
  std::string failure;
  auto client = co_await open_as_set(hop, failure);
  if (!client) co_return;
  const std::string nobody = "sekisho-" + new_marker(visit);
  const RawReply ready = co_await client->say("MAIL FROM:<>");
  // RFC 2606: nobody lives at example.com, and no message follows.
  const RawReply foreign = co_await client->say("RCPT TO:<" + nobody + "@example.com>");
  if (!ready.positive() || foreign.code == 0) {
    visit.sheet.add(Id::k_hop_foreign_rcpt, Grade::kSkipped, hop.name,
                    ready.positive() ? foreign.text() : ready.text());
    co_return;
  }
  visit.sheet.add(Id::k_hop_foreign_rcpt, foreign.positive() ? Grade::kFailure : Grade::kOk, hop.name, foreign.text());
  for (const auto& domain : visit.patient.domains) {
    if (domain.next_hop != hop.name) continue;
    const RawReply local = co_await client->say("RCPT TO:<" + nobody + "@" + domain.name + ">");
    const Grade taken = domain.asks_hop ? Grade::kFailure : Grade::kWarning;
    visit.sheet.add(Id::k_hop_random_rcpt, local.positive() ? taken : Grade::kOk, hop.name + " " + domain.name,
                    local.text());
  }
  co_await client->say("RSET");
  co_await client->quit();
}

bool serves(Visit visit, const transfer::Options& hop) {
  const std::string& rcpt = visit.orders.probe_rcpt;
  const std::string domain = core::to_lower(rcpt.substr(rcpt.rfind('@') + 1));
  return std::any_of(visit.patient.domains.begin(), visit.patient.domains.end(),
                     [&](const auto& each) { return each.name == domain && each.next_hop == hop.name; });
}

core::Task<void> mails(Visit visit, const transfer::Options& hop) {
  const ProbeTarget first{hop, visit.orders.probe_rcpt, 0};
  const std::int64_t took_ms = co_await probe_arrival(visit, first);
  if (took_ms < 0) {
    visit.sheet.add(Id::k_hop_line_end, Grade::kSkipped, hop.name, "not probed: the recipient is not taken");
    co_return;
  }
  const ProbeTarget target{hop, visit.orders.probe_rcpt,
                           std::clamp(took_ms * 2 + kLeastSilenceMs, kLeastSilenceMs, kMostSilenceMs)};
  co_await probe_line_ends(visit, target);
  co_await probe_contents(visit, target);
  co_await probe_chunking(visit, target);
}

core::Task<void> talk(Visit visit, const transfer::Options& hop) {
  std::string failure;
  auto client = co_await RawClient::open(hop, failure);
  if (!client) {
    visit.sheet.add(Id::k_hop_reachable, Grade::kFailure, hop.name + " " + hop.address.text(), failure);
    co_return;
  }
  visit.sheet.add(Id::k_hop_reachable, Grade::kOk, hop.name + " " + hop.address.text(), client->greeting());
  extensions(visit, hop, *client);
  co_await encryption(visit, hop, *client);
  co_await client->quit();
  co_await recipients(visit, hop);
  if (!visit.orders.probe_rcpt.empty() && serves(visit, hop)) {
    co_await mails(visit, hop);
    co_return;
  }
  visit.sheet.add(Id::k_hop_line_end, Grade::kSkipped, hop.name, "no recipient for probes was given (--probe-rcpt)");
}

// Our own Maildir writer: handed over as serve does it.
core::Task<void> maildir(Visit visit, const transfer::Options& hop) {
  const std::string& rcpt = visit.orders.probe_rcpt;
  if (rcpt.empty() || !serves(visit, hop)) {
    visit.sheet.add(Id::k_hop_arrival, Grade::kSkipped, hop.name, "no recipient for probes was given (--probe-rcpt)");
    co_return;
  }
  const std::string marker = new_marker(visit);
  const std::string text = marked_message(visit.patient.host, rcpt, marker, true);
  core::Budget budget;
  auto message = mail::Message::parse(text, budget);
  transfer::NextHop writer(hop, visit.tools.clock, visit.tools.random, visit.tools.pool);
  transfer::Envelope envelope;
  envelope.rcpts = {rcpt};
  envelope.eight_bit = true;
  auto transaction = co_await writer.open(std::move(envelope));
  transfer::Edits none;
  auto outcomes = co_await transaction.send(std::move(*message), std::move(none));
  if (outcomes.front().outcome != transfer::Outcome::kDelivered) {
    visit.sheet.add(Id::k_hop_arrival, Grade::kFailure, hop.name,
                    "not written: " + outcomes.front().reply.lines.front());
    co_return;
  }
  const auto at = rcpt.rfind('@');
  const std::string mailbox = visit.orders.mailbox.empty() ? hop.folder + "/" + core::to_lower(rcpt.substr(at + 1)) +
                                                                 "/" + core::to_lower(rcpt.substr(0, at))
                                                           : visit.orders.mailbox;
  auto stored = co_await wait_for_mail(visit, mailbox, marker);
  const std::string differs = stored ? difference(text, *stored) : "it is not in " + mailbox;
  visit.sheet.add(Id::k_hop_arrival, differs.empty() ? Grade::kOk : Grade::kFailure, hop.name,
                  differs.empty() ? "octet for octet, " + std::to_string(text.size()) + " of them" : differs);
}
}  // namespace

core::Task<void> examine_hops(Visit visit) {
  for (const auto& hop : visit.patient.hops) {
    if (hop.kind == transfer::Kind::kMaildir)
      co_await maildir(visit, hop);
    else
      co_await talk(visit, hop);
  }
}

}  // namespace sekisho::doctor
