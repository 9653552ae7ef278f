#include "cmd/meter.h"

#include "base/log/log.h"

namespace sekisho::cmd {

namespace {

enum Metric : std::size_t {
#define METRIC(id, ...) id,
#include "cmd/metrics.def"
#undef METRIC
};
constexpr metrics::Row kRows[] = {
#define METRIC(id, kind, name, label, help) {metrics::Kind::kind, name, label, help},
#include "cmd/metrics.def"
#undef METRIC
};

std::string_view word(session::SessionEnd end) {
  switch (end) {
    case session::SessionEnd::kQuit:
      return "quit";
    case session::SessionEnd::kRefused:
      return "refused";
    case session::SessionEnd::kLost:
      return "lost";
    case session::SessionEnd::kTimeout:
      return "timeout";
    case session::SessionEnd::kTls:
      return "tls";
    case session::SessionEnd::kShutdown:
      return "shutdown";
  }
  return "";
}

std::string_view word(transfer::Outcome outcome) {
  switch (outcome) {
    case transfer::Outcome::kAccepted:
      return "accepted";
    case transfer::Outcome::kDelivered:
      return "delivered";
    case transfer::Outcome::kRefused:
      return "refused";
    case transfer::Outcome::kTemporary:
      return "temporary";
    case transfer::Outcome::kUnknown:
      return "unknown";
  }
  return "";
}

}  // namespace

RoadMeter::RoadMeter() : registry_(kRows) {}

void RoadMeter::asked(const mediator::Answer& answer) {
  registry_.add(kMediatorAsked, mediator::word(answer.outcome));
  if (answer.old_secret) registry_.add(kMediatorOldSecret);
}

void RoadMeter::ended(mediator::End end) { registry_.add(kMediatorEnded, mediator::word(end)); }

void RoadMeter::turned_away(std::string_view why) { registry_.add(kMediatorEnded, why); }

void RoadMeter::session(const session::SessionSummary& s) {
  registry_.add(kSessions, word(s.end));
  registry_.add(kOctetsIn, {}, static_cast<double>(s.octets_in));
  const auto& e = s.events;
  const std::pair<std::string_view, std::uint32_t> events[] = {{"early_talker", e.early_talker},
                                                               {"unauth_pipelining", e.unauth_pipelining},
                                                               {"starttls_injection", e.starttls_injection},
                                                               {"http", e.http},
                                                               {"stray_text", e.stray_text},
                                                               {"proxy_refused", e.proxy_refused},
                                                               {"xclient_denied", e.xclient_denied},
                                                               {"dha", e.dha},
                                                               {"bare_line_end", e.bare_line_end},
                                                               {"nul", e.nul},
                                                               {"error", e.errors},
                                                               {"unknown_recipient", e.unknown_recipients}};
  for (const auto& [name, count] : events)
    if (count) registry_.add(kSessionEvents, name, count);
}

void RoadMeter::refused(verdict::Moment, const verdict::Verdict& v) {
  if (!v.reasons.empty()) registry_.add(kRefusals, v.reasons.front().code);
}

void RoadMeter::mail(const verdict::Verdict& v, const identity::Papers& papers, std::int64_t road_us,
                     std::int64_t transfer_us, std::uint64_t size) {
  registry_.add(kMails, verdict::word(v.action));
  if (v.action >= verdict::Action::kDefer && !v.reasons.empty()) registry_.add(kRefusals, v.reasons.front().code);
  registry_.add(kSpf, road::word(papers.spf_mfrom.result));
  for (const auto& signature : papers.dkim) registry_.add(kDkim, road::word(signature.result));
  if (papers.dkim.empty()) registry_.add(kDkim, "none");
  registry_.add(kDmarc, road::word(papers.dmarc.result));
  if (papers.smime && papers.smime->result != road::AuthResult::kNone)
    registry_.add(kSmime, road::word(papers.smime->result));
  const auto& shown = papers.guard;
  if (shown.result != road::AuthResult::kNone)
    registry_.add(kProtected,
                  shown.result == road::AuthResult::kPass ? guard::word(shown.rests_on) : road::word(shown.result));
  for (const auto& finding : shown.findings)
    if (finding.code == "protected_lookalike" || finding.code == "display_name_protected")
      registry_.add(kLookalikes, finding.code);
  registry_.observe(kRoadSeconds, static_cast<double>(road_us) / 1e6);
  if (v.action < verdict::Action::kDefer) registry_.observe(kTransferSeconds, static_cast<double>(transfer_us) / 1e6);
  registry_.add(kMailBytes, {}, static_cast<double>(size));
}

void RoadMeter::reload(bool in_force) { registry_.add(kReloads, in_force ? "in_force" : "refused"); }

void RoadMeter::outcome(transfer::Outcome o) { registry_.add(kOutcomes, word(o)); }
void RoadMeter::outgoing(transfer::Outcome o) { registry_.add(kEgressRecipients, word(o)); }
void RoadMeter::change(mediation::Change c) { registry_.add(kEgressChanges, mediation::word(c)); }
void RoadMeter::duplicate() { registry_.add(kDuplicates); }

void RoadMeter::certificate(bool loaded) { registry_.add(loaded ? kCertificatesLoaded : kCertificatesRefused); }

void RoadMeter::certificates_expire(const std::vector<std::pair<std::string, double>>& seconds_by_name) {
  registry_.set_all(kCertificateExpires, seconds_by_name);
}

MetricsPage::MetricsPage(const std::optional<io::Endpoint>& at, RoadMeter& meter, mx::Gate& gate, trail::Trail& trail,
                         smtp::OctetPool& octets, LagMeter& lag)
    : meter_(meter), gate_(gate), trail_(trail), octets_(octets), lag_(lag) {
  if (!at) return;
  http::Handler handler = [this](http::Request request) { return answer(std::move(request)); };
  auto server = http::Server::start(*at, handler);
  if (server)
    server_.emplace(std::move(*server));
  else
    failure_ = "metrics.listen " + at->text() + ": " +
               (server.error() == io::IoError::kInUse ? "the port is in use by another program"
                                                      : std::string(io::word(server.error())));
}

void MetricsPage::stop() {
  if (server_) server_->stop();
}

std::string MetricsPage::page() {
  auto& r = meter_.registry();
  const auto gate = gate_.counts();
  const auto ledger = trail_.ledger().counts();
  const std::uint64_t last = trail_.ledger().last_seq(), indexed = trail_.indexed_seq();
  r.set(kSessionsNow, static_cast<double>(gate.sessions));
  r.set(kTurnedAway, static_cast<double>(gate.turned_away));
  r.set(kMemory, static_cast<double>(octets_.used()));
  r.set(kLedgerRecords, static_cast<double>(ledger.records));
  r.set(kLedgerCommits, static_cast<double>(ledger.commits));
  r.set(kLedgerFailed, static_cast<double>(ledger.failed_commits));
  r.set(kLedgerLost, static_cast<double>(ledger.lost_lazy));
  r.set(kLinesDropped, static_cast<double>(log::dropped()));
  r.set(kIndexBehind, static_cast<double>(last > indexed ? last - indexed : 0));
  r.set(kLoopLag, static_cast<double>(lag_.take_recent_ms()) / 1e3);
  return r.exposition();
}

core::Task<http::Response> MetricsPage::answer(http::Request request) {
  http::Response response;
  if (request.method != "GET" && request.method != "HEAD") {
    response.status = 405;
  } else if (request.target == "/metrics") {
    response.content_type = "text/plain; version=0.0.4; charset=utf-8";
    response.body = page();
  } else if (request.target == "/" || request.target == "/healthz") {
    response.body = "sekisho\n";
  } else {
    response.status = 404;
  }
  co_return response;
}

}  // namespace sekisho::cmd
