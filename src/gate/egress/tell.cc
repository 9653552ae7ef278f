#include "gate/egress/tell.h"

#include "base/core/text.h"

namespace sekisho::egress {

smtp::Reply tell(const std::string& host, const transfer::RcptOutcome& outcome) {
  using transfer::Outcome;
  smtp::Reply out = outcome.reply;
  out.close = false;
  int first = outcome.outcome == Outcome::kDelivered ? 2 : outcome.outcome == Outcome::kRefused ? 5 : 4;
  // RFC 5321 section 3.8: 421 ends the host's session, not ours with the queue. A code of another class than the
  // outcome (552 for too many recipients, section 4.5.3.1.10) is told as its class.
  if (out.code == 421) out.code = 451;
  if (out.code / 100 != first) {
    out.code = first == 2 ? 250 : first == 5 ? 550 : 451;
    out.enhanced.clear();
  }
  // RFC 6531 section 3.2: a host without SMTPUTF8 will not learn it while the mail waits.
  if (!out.heard && out.enhanced == "4.6.7") {
    out = {550, "5.6.7", {"The host does not take SMTPUTF8"}};
    first = 5;
  }
  if (out.enhanced.empty() || out.enhanced.front() != '0' + first) out.enhanced = std::to_string(first) + ".0.0";
  if (out.lines.empty()) out.lines.emplace_back();
  // The remote's own codes stand in its words, as they may differ from what is told.
  const std::string said = outcome.reply.heard ? " said: " + std::to_string(outcome.reply.code) + " " : ": ";
  const std::string enhanced =
      outcome.reply.heard && !outcome.reply.enhanced.empty() ? outcome.reply.enhanced + " " : "";
  out.lines.front() = core::printable(host, 280) + said + enhanced + core::printable(out.lines.front(), 400);
  return out;
}

std::string text_of(const smtp::Reply& reply) {
  std::string text = std::to_string(reply.code) + (reply.enhanced.empty() ? "" : " " + reply.enhanced);
  return reply.lines.empty() ? text : text + " " + core::printable(reply.lines.front(), 300);
}

}  // namespace sekisho::egress
