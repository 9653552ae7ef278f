// What the next hop is told about a mail: only what it offers, and what cannot be told without loss is not sent at all.
#include "transfer/envelope.h"

#include <algorithm>
#include <set>

#include "base/core/text.h"
#include "mail/smtp/xtext.h"
#include "transfer/exchange.h"

namespace sekisho::transfer {
namespace {
// XFORWARD_README: what is not known is said to be so.
constexpr std::string_view kUnavailable = "[UNAVAILABLE]";

std::string address_of(const core::IpAddress& ip) { return ip.is_v4() ? ip.text() : "IPV6:" + ip.text(); }

std::string domain_of(const std::string& rcpt) {
  const auto at = rcpt.rfind('@');
  return at == std::string::npos ? "" : core::to_lower(std::string_view(rcpt).substr(at + 1));
}
}  // namespace

bool is_ascii(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) > 127; });
}

std::vector<std::string> xforward_commands(const Client& client, std::uint32_t attributes) {
  constexpr std::size_t kMaxValue = 255;
  std::vector<std::string> out;
  std::string line;
  const auto add = [&](std::uint32_t attribute, std::string_view name, std::string_view value) {
    if (!(attributes & attribute)) return;
    const bool known = !value.empty() && value.size() <= kMaxValue;
    (line += ' ') += name;
    (line += '=') += smtp::encode_xtext(known ? value : kUnavailable);
  };
  const auto end = [&] {
    if (!line.empty()) out.push_back("XFORWARD" + line + "\r\n");
    line.clear();
  };
  add(kXforwardName, "NAME", client.name);
  add(kXforwardAddr, "ADDR", address_of(client.ip));
  add(kXforwardPort, "PORT", client.port == 0 ? "" : std::to_string(client.port));
  add(kXforwardSource, "SOURCE", "REMOTE");
  end();
  add(kXforwardProto, "PROTO", client.esmtp ? "ESMTP" : "SMTP");
  add(kXforwardIdent, "IDENT", client.ident);
  add(kXforwardHelo, "HELO", client.helo);
  end();
  return out;
}

std::string Exchange::mail_command() const {
  const Capabilities& can = lease_->capabilities();
  std::string line = "MAIL FROM:<" + envelope_.mail_from + ">";
  if (can.size_limit_bytes && envelope_.size_bytes > 0) line += " SIZE=" + std::to_string(envelope_.size_bytes);
  if (can.eight_bit_mime && envelope_.eight_bit) line += " BODY=8BITMIME";
  if (can.smtp_utf8 && envelope_.smtp_utf8) line += " SMTPUTF8";
  if (can.dsn && !envelope_.ret.empty()) line += " RET=" + envelope_.ret;
  if (can.dsn && !envelope_.envid.empty()) line += " ENVID=" + envelope_.envid;
  if (envelope_.require_tls) line += " REQUIRETLS";
  return line + "\r\n";
}

std::string Exchange::rcpt_command(std::size_t i) const {
  std::string line = "RCPT TO:<" + envelope_.rcpts[i] + ">";
  if (lease_->capabilities().dsn && i < envelope_.rcpt_parameters.size()) {
    const smtp::RcptParameters& parameters = envelope_.rcpt_parameters[i];
    if (!parameters.notify.empty()) line += " NOTIFY=" + parameters.notify;
    if (!parameters.orcpt.empty()) line += " ORCPT=" + parameters.orcpt;
  }
  return line + "\r\n";
}

// EHLO offered our client what the next hop offered then. Where that is no longer so, the client comes again, sees what
// is offered now and decides by itself: nothing it asked for is dropped in silence.
std::optional<RcptOutcome> Exchange::unable() const {
  const Capabilities& can = lease_->capabilities();
  const auto later = [](const char* enhanced, const char* text) {
    return RcptOutcome{Outcome::kTemporary, {451, enhanced, {text}}, ""};
  };
  // RFC 1870 section 6.1: what is over the announced limit need not be offered.
  if (can.size_limit_bytes && envelope_.size_bytes > *can.size_limit_bytes)
    return RcptOutcome{Outcome::kRefused, {552, "5.3.4", {"Message is too big for the next hop"}}, ""};
  const bool ascii =
      is_ascii(envelope_.mail_from) && std::all_of(envelope_.rcpts.begin(), envelope_.rcpts.end(), is_ascii);
  if ((!ascii || (envelope_.smtp_utf8 && envelope_.utf8_header)) && !can.smtp_utf8)
    return later("4.6.7", "The next hop does not take SMTPUTF8 any more, try again");
  const auto asks = [](const smtp::RcptParameters& each) { return !each.notify.empty() || !each.orcpt.empty(); };
  const bool dsn = !envelope_.ret.empty() || !envelope_.envid.empty() ||
                   std::any_of(envelope_.rcpt_parameters.begin(), envelope_.rcpt_parameters.end(), asks);
  if (dsn && !can.dsn) return later("4.3.5", "The next hop does not take DSN any more, try again");
  // RFC 8689 section 4.2.1: TLS, a proven certificate, and REQUIRETLS offered under it.
  if (envelope_.require_tls && !(can.require_tls && can.proven))
    return later("4.7.30", "The next hop does not take REQUIRETLS any more, try again");
  return std::nullopt;
}

// RFC 9422 section 4: a client keeps to the limits it was told; the others come again.
void Exchange::hold_back() {
  const Capabilities& can = lease_->capabilities();
  held_.assign(outcomes_.size(), false);
  std::set<std::string> domains;
  std::size_t sent = 0;
  for (std::size_t i = 0; i < held_.size(); ++i) {
    bool over = can.rcpt_max && sent >= *can.rcpt_max;
    if (!over && can.rcpt_domain_max) {
      std::string domain = domain_of(envelope_.rcpts[i]);
      over = domains.size() >= *can.rcpt_domain_max && !domains.contains(domain);
      if (!over) domains.insert(std::move(domain));
    }
    held_[i] = over;
    if (over) outcomes_[i] = {Outcome::kTemporary, {452, "4.5.3", {"Too many recipients for the next hop"}}, ""};
    sent += !over;
  }
}

}  // namespace sekisho::transfer
