#include "service/doctor/hop_probe.h"

#include <algorithm>

#include "base/core/text.h"
#include "service/doctor/probes.h"

namespace sekisho::doctor {
namespace {
constexpr std::int64_t kEchoMs = 300;  // between replies to commands sent in one go
constexpr std::int64_t kArrivalMs = 10'000;
constexpr std::size_t kAtOnce = 4;  // connections

std::string small_message(const std::string& marker, const std::string& rcpt, std::string_view field = {}) {
  return "From: Sekisho doctor <" + rcpt + ">\r\nTo: " + rcpt + "\r\nSubject: sekisho doctor " + marker +
         "\r\nDate: Thu, 1 Jan 2026 00:00:00 +0000\r\nMessage-ID: <" + marker + "@doctor.invalid>\r\n" +
         std::string(field) + "\r\nThis mail was sent by `sekisho doctor`. It may be deleted.\r\n";
}

// MAIL and RCPT; the first reply that is not positive ends it.
core::Task<RawReply> begin(RawClient& client, std::string rcpt, bool eight_bit) {
  RawReply reply = co_await client.say(eight_bit ? "MAIL FROM:<> BODY=8BITMIME" : "MAIL FROM:<>");
  if (reply.positive()) reply = co_await client.say("RCPT TO:<" + rcpt + ">");
  co_return reply;
}

struct Reaction {
  bool reached = false;
  RawReply first;
  std::vector<std::string> more;  // replies to what stood behind
  bool ran = false;               // one of them was positive
};

core::Task<Reaction> react(RawClient& client, std::int64_t silence_ms) {
  Reaction out;
  out.reached = true;
  out.first = co_await client.reply(silence_ms);
  if (out.first.code == 0) co_return out;
  for (int i = 0; i < 4; ++i) {
    RawReply next = co_await client.reply(kEchoMs);
    if (next.code == 0) break;
    out.ran = out.ran || next.positive();
    out.more.push_back(next.text());
  }
  co_return out;
}

// Nothing is left behind unless the server takes the variant for the end: the true end is never sent.
core::Task<Reaction> try_end(const ProbeTarget& target, std::string marker, std::string_view variant) {
  std::string failure;
  auto client = co_await open_as_set(target.hop, failure);
  Reaction out;
  out.first.lines = {failure};
  if (!client) co_return out;
  RawReply ready = co_await begin(*client, target.rcpt, false);
  if (ready.positive()) ready = co_await client->say("DATA");
  if (ready.code != 354) {
    out.first = ready;
    co_return out;
  }
  const std::string octets = small_message(marker, target.rcpt) + "line ends" + std::string(variant) +
                             "MAIL FROM:<>\r\nRCPT TO:<" + target.rcpt + ">\r\nRSET\r\n";
  const bool written = co_await client->write(octets);
  if (!written) co_return out;
  co_return co_await react(*client, target.silence_ms);
}

void judge_end(Visit visit, const ProbeTarget& target, std::string_view name, const Reaction& seen) {
  const std::string subject = target.hop.name + " " + std::string(name);
  Grade grade = Grade::kOk;
  std::string evidence;
  if (!seen.reached) {
    grade = Grade::kSkipped;
    evidence = "could not be tried: " + seen.first.text();
  } else if (seen.first.positive() || seen.ran) {
    grade = Grade::kWarning;
    evidence = "ended the message: " + seen.first.text();
    if (seen.ran) {
      evidence += "; ran the commands behind it:";
      for (const auto& reply : seen.more) evidence += " " + reply + ";";
    }
  } else if (seen.first.code != 0) {
    evidence = "refused: " + seen.first.text();
  } else {
    evidence = seen.first.closed ? "hung up" : "taken as text";
  }
  visit.sheet.add(Id::k_hop_line_end, grade, subject, evidence);
}
}  // namespace

std::string new_marker(Visit visit) { return "doctor-" + std::to_string(visit.tools.random.u64()); }

core::Task<std::unique_ptr<RawClient>> open_as_set(const transfer::Options& hop, std::string& failure) {
  auto client = co_await RawClient::open(hop, failure);
  if (!client || hop.tls == transfer::Tls::kOff || hop.tls == transfer::Tls::kOpportunistic)
    co_return std::move(client);
  auto context = hop.tls_context ? hop.tls_context : io::TlsContext::client();
  failure = co_await client->secure(*context, hop.tls_name);
  if (!failure.empty()) client.reset();
  co_return std::move(client);
}

core::Task<Handed> hand_over(const ProbeTarget& target, std::string octets, bool eight_bit) {
  Handed out;
  std::string failure;
  auto client = co_await open_as_set(target.hop, failure);
  out.reply.lines = {failure};
  if (!client) co_return out;
  out.reply = co_await begin(*client, target.rcpt, eight_bit && client->offers("8BITMIME"));
  if (out.reply.positive()) out.reply = co_await client->say("DATA");
  if (out.reply.code != 354) co_return out;
  const std::int64_t began_ms = io::now_ms();
  const bool written = co_await client->write(octets);
  out.reply = {};
  if (written) out.reply = co_await client->reply(60'000);
  out.took_ms = io::now_ms() - began_ms;
  co_await client->quit();
  co_return out;
}

core::Task<void> probe_line_ends(Visit visit, ProbeTarget target) {
  const auto variants = end_variants();
  for (std::size_t at = 0; at < variants.size(); at += kAtOnce) {
    std::vector<core::Task<Reaction>> some;
    const std::size_t end = std::min(at + kAtOnce, variants.size());
    for (std::size_t i = at; i < end; ++i) some.push_back(try_end(target, new_marker(visit), variants[i].octets));
    const auto seen = co_await core::when_all(std::move(some));
    for (std::size_t i = at; i < end; ++i) judge_end(visit, target, variants[i].name, seen[i - at]);
  }
}

core::Task<void> probe_contents(Visit visit, ProbeTarget target) {
  for (const auto& variant : content_variants()) {
    const std::string marker = new_marker(visit);
    const std::string message = small_message(marker, target.rcpt, variant.header) + std::string(variant.body);
    const Handed handed = co_await hand_over(target, dot_stuffed(message), false);
    const std::string subject = target.hop.name + " " + std::string(variant.name);
    if (!handed.reply.positive()) {
      visit.sheet.add(Id::k_hop_content, handed.reply.code || handed.reply.closed ? Grade::kOk : Grade::kSkipped,
                      subject, (handed.reply.code ? "refused: " : "") + handed.reply.text());
      continue;
    }
    if (visit.orders.mailbox.empty() || variant.stray.empty()) {
      visit.sheet.add(Id::k_hop_content, Grade::kOk, subject,
                      variant.stray.empty() ? "taken" : "taken; how it arrives was not looked at (--mailbox)");
      continue;
    }
    auto stored = co_await wait_for_mail(visit, visit.orders.mailbox, marker);
    if (!stored) {
      visit.sheet.add(Id::k_hop_content, Grade::kWarning, subject, "taken, but it did not arrive in ten seconds");
      continue;
    }
    // Stored with CRLF or LF: what counts is a stray one.
    std::string plain;
    for (std::size_t i = 0; i < stored->size(); ++i)
      if ((*stored)[i] != '\r' || i + 1 == stored->size() || (*stored)[i + 1] != '\n') plain += (*stored)[i];
    const bool stray = plain.find(variant.stray) != std::string::npos;
    visit.sheet.add(Id::k_hop_content, stray ? Grade::kWarning : Grade::kOk, subject,
                    stray ? "taken, and delivered as it was" : "taken, and mended on the way");
  }
}

core::Task<void> probe_chunking(Visit visit, ProbeTarget target) {
  std::string failure;
  auto client = co_await open_as_set(target.hop, failure);
  if (!client || !client->offers("CHUNKING")) co_return;
  const RawReply ready = co_await begin(*client, target.rcpt, false);
  if (!ready.positive()) co_return;
  const std::string chunk = small_message(new_marker(visit), target.rcpt) + "\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<" +
                            target.rcpt + ">\r\nRSET\r\n";
  const std::string octets = "BDAT " + std::to_string(chunk.size()) + " LAST\r\n" + chunk;
  const bool written = co_await client->write(octets);
  if (!written) co_return;
  const Reaction seen = co_await react(*client, 60'000);
  visit.sheet.add(Id::k_hop_chunking, seen.more.empty() ? Grade::kOk : Grade::kFailure, target.hop.name,
                  seen.more.empty() ? "one reply: " + seen.first.text() : "ran the text: " + seen.more.front());
  co_await client->quit();
}

core::Task<std::optional<std::string>> wait_for_mail(Visit visit, std::string mailbox, std::string marker) {
  const std::int64_t until_ms = io::now_ms() + kArrivalMs;
  std::optional<std::string> found;
  for (;;) {
    std::function<void()> look = [&] { found = find_mail(mailbox, marker); };
    co_await visit.tools.pool.run(std::move(look));
    if (found || io::now_ms() >= until_ms) co_return found;
    const auto slept = co_await io::sleep_until(io::now_ms() + 200);
    if (!slept) co_return found;
  }
}

core::Task<std::int64_t> probe_arrival(Visit visit, ProbeTarget target) {
  const std::string marker = new_marker(visit);
  const std::string message = marked_message(visit.patient.host, target.rcpt, marker, true);
  const Handed handed = co_await hand_over(target, dot_stuffed(message), true);
  if (!handed.reply.positive()) {
    visit.sheet.add(Id::k_hop_arrival, Grade::kFailure, target.hop.name,
                    "the mail to " + target.rcpt + " is not taken: " + handed.reply.text());
    co_return -1;
  }
  if (visit.orders.mailbox.empty()) {
    visit.sheet.add(Id::k_hop_arrival, Grade::kSkipped, target.hop.name,
                    "taken: " + handed.reply.text() + "; where it arrives was not given (--mailbox)");
    co_return handed.took_ms;
  }
  auto stored = co_await wait_for_mail(visit, visit.orders.mailbox, marker);
  const std::string differs = stored ? difference(message, *stored) : "it did not arrive in ten seconds";
  visit.sheet.add(Id::k_hop_arrival, differs.empty() ? Grade::kOk : Grade::kFailure, target.hop.name,
                  differs.empty() ? "octet for octet, " + std::to_string(message.size()) + " of them" : differs);
  co_return handed.took_ms;
}

}  // namespace sekisho::doctor
