#include "road/action/action.h"

#include <algorithm>
#include <cstdio>
#include <ctime>

#include "base/core/text.h"
#include "road/identity/authres/authres.h"

namespace sekisho::action {

namespace {

using authres::MethodResult;

std::string result_word(road::AuthResult result) { return std::string(road::word(result)); }

std::vector<std::string> names_of(const Settings& settings) {
  std::vector<std::string> out = settings.trusted_ids;
  out.insert(out.begin(), settings.authserv_id);
  return out;
}

MethodResult dkim_result(const dkim::Verification& v) {
  MethodResult out{"dkim", result_word(v.result)};
  if (v.result != road::AuthResult::kPass) out.reason = core::printable(v.reason, 120);
  // Only what is a domain and what its signature names is said; RFC 8601 section 2.7.1.
  if (!v.signing_domain.empty()) out.properties.push_back({"header", "d", v.signing_domain});
  if (!v.agent_id.empty() && v.result == road::AuthResult::kPass) out.properties.push_back({"header", "i", v.agent_id});
  if (!v.selector.empty()) out.properties.push_back({"header", "s", v.selector});
  if (!v.algorithm.empty()) out.properties.push_back({"header", "a", v.algorithm});
  if (!v.signature_head.empty()) out.properties.push_back({"header", "b", v.signature_head});
  return out;
}

// RFC 8601 section 2.7.2: header.NAME with the address that was found there. Only an evaluated policy is worth a line.
void add_sender_id(const sender_id::Evaluation& e, std::vector<MethodResult>& out) {
  if (e.pra.result == road::AuthResult::kNone) return;
  MethodResult result{"sender-id", result_word(e.pra.result)};
  if (e.purported.address) {
    std::string name = e.purported.header;
    std::transform(name.begin(), name.end(), name.begin(), core::lower);
    result.properties.push_back({"header", name, e.purported.address->text()});
  }
  out.push_back(std::move(result));
}

// RFC 8601 section 2.7.1: header.d, and header.from or header.sender with the address it speaks for.
MethodResult domainkeys_result(const domainkeys::Verification& v, const domainkeys::Evaluation& e) {
  MethodResult out{"domainkeys", result_word(v.result)};
  if (v.result != road::AuthResult::kPass) out.reason = core::printable(v.reason, 120);
  if (!v.signing_domain.empty()) out.properties.push_back({"header", "d", v.signing_domain});
  if (e.sending_address && v.result == road::AuthResult::kPass)
    out.properties.push_back({"header", e.header == "Sender" ? "sender" : "from", e.sending_address->text()});
  return out;
}

// RFC 8617 section 10.2 names the client's address; the newest sealer tells whose chain it is.
MethodResult arc_result(const arc::Evaluation& e) {
  MethodResult out{"arc", result_word(e.result)};
  out.comment = "i=" + std::to_string(e.instance);
  if (!e.sets.empty() && !e.sets.back().sealer.empty()) out.properties.push_back({"header", "d", e.sets.back().sealer});
  return out;
}

// RFC 7281 section 3.2: serial and issuer stand together or not at all.
MethodResult smime_result(const smime::Evaluation& e) {
  MethodResult out{"smime", result_word(e.result)};
  if (e.result != road::AuthResult::kPass) out.reason = core::printable(e.reason, 120);
  if (!e.part.empty()) out.properties.push_back({"body", "smime-part", e.part});
  if (!e.address.empty()) out.properties.push_back({"body", "smime-identifier", e.address});
  if (e.serial.empty() || e.issuer.empty()) return out;
  out.properties.push_back({"body", "smime-serial", e.serial});
  out.properties.push_back({"body", "smime-issuer", e.issuer});
  return out;
}

MethodResult dmarc_result(const dmarc::Evaluation& e) {
  MethodResult out{"dmarc", result_word(e.result)};
  if (!e.policy_tag.empty()) out.comment = "p=" + std::string(dmarc::word(e.policy)) + (e.testing ? " t=y" : "");
  if (e.author_domain) out.properties.push_back({"header", "from", e.author_domain->text()});
  return out;
}

MethodResult iprev_result(const iprev::Evaluation& e, const core::IpAddress& ip) {
  MethodResult out{"iprev", result_word(e.result)};
  out.properties.push_back({"policy", "iprev", ip.text()});
  return out;
}

// What the client called itself may hold anything but blanks; only what cannot end or open a comment is repeated.
std::string safe_helo(const std::string& helo) {
  const auto good = [](char c) {
    return core::is_alnum(c) || c == '.' || c == '-' || c == '_' || c == ':' || c == '[' || c == ']';
  };
  if (helo.empty() || helo.size() > 255 || !std::all_of(helo.begin(), helo.end(), good)) return "unknown";
  return helo;
}

std::string received(const Settings& settings, const Arrival& arrival) {
  const core::IpAddress& ip = arrival.relay ? arrival.relay->ip : arrival.client_ip;
  const std::string name = arrival.relay || arrival.reverse_name.empty() ? "" : arrival.reverse_name + " ";
  std::string out;
  out.reserve(400);
  out += "Received: from " + safe_helo(arrival.relay ? arrival.relay->helo : arrival.helo) + " (" + name + "[" +
         (ip.is_v4() ? "" : "IPv6:") + ip.text() + "])";
  // RFC 3848: ESMTPS over TLS; RFC 6531 section 4.3: UTF8SMTP where SMTPUTF8 was used.
  std::string protocol = arrival.utf8 ? "UTF8SMTP" : arrival.esmtp ? "ESMTP" : "SMTP";
  if (!arrival.tls.empty() && protocol != "SMTP") protocol += 'S';
  out += "\r\n\tby " + settings.host + " with " + protocol + " id " + arrival.id;
  if (!arrival.tls.empty()) out += "\r\n\t(" + core::printable(arrival.tls, 80) + ")";
  return out + ";\r\n\t" + date_text(arrival.now_s);
}

// Folds behind the semicolons between pairs, so that no line comes near the 998 octets of RFC 5322 section 2.1.1,
// however long a name is.
std::string fold(const std::string& field) {
  constexpr std::size_t kWanted = 78;
  std::string out;
  out.reserve(field.size() + 32);
  bool quoted = false;
  std::size_t line = 0;
  for (std::size_t i = 0; i < field.size(); ++i) {
    const char c = field[i];
    if (quoted && c == '\\' && i + 1 < field.size()) {
      (out += c) += field[++i];
      continue;
    }
    if (c == '"') quoted = !quoted;
    const bool may_fold = c == ' ' && !quoted && i > 0 && field[i - 1] == ';';
    if (may_fold && std::min(field.find("; ", i), field.size()) - line > kWanted) {
      out += "\r\n\t";
      line = i;
    } else {
      out += c;
    }
  }
  return out;
}

std::string verdict_field(const verdict::Verdict& verdict, const Arrival& arrival) {
  std::string out = "X-Sekisho-Verdict: " + std::string(verdict::word(verdict.action));
  std::string reasons;
  for (const auto& reason : verdict.reasons)
    if (reason.enforced) reasons += (reasons.empty() ? "" : ",") + std::string(reason.code);
  if (!reasons.empty()) out += "; reasons=" + reasons;
  return out + ";\r\n\tid=" + arrival.id;
}

}  // namespace

std::string date_text(std::int64_t epoch_s) {
  const std::time_t time = epoch_s;
  std::tm tm{};
  gmtime_r(&time, &tm);
  static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, "%s, %02d %s %04d %02d:%02d:%02d +0000", kDays[tm.tm_wday], tm.tm_mday,
                kMonths[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
  return buffer;
}

std::vector<Removed> forged_fields(const mail::Message& message, const Settings& settings) {
  std::vector<Removed> out;
  const auto& fields = message.fields();
  const auto names = names_of(settings);
  for (const auto& forged : authres::forged(fields, names)) {
    const auto& field = fields[forged.index];
    const auto same = [&](const mail::HeaderField& f) { return core::iequals(f.name, field.name); };
    const auto before = std::count_if(fields.begin(), fields.begin() + static_cast<std::ptrdiff_t>(forged.index), same);
    out.push_back({&field, static_cast<std::size_t>(before) + 1, forged.reason});
  }
  return out;
}

std::string authentication_results(const identity::Papers& papers, const Settings& settings, const Arrival& arrival) {
  authres::Header header;
  header.authserv_id = settings.authserv_id;
  header.results.push_back(authres::spf_result(papers.spf_mfrom));
  // The HELO identity has a word of its own unless the null return path made it the first one.
  if (papers.spf_mfrom.identity != spf::Identity::kHelo && !papers.spf_helo.domain.empty())
    header.results.push_back(authres::spf_result(papers.spf_helo));
  if (papers.sender_id) add_sender_id(*papers.sender_id, header.results);
  for (const auto& v : papers.domainkeys.signatures) header.results.push_back(domainkeys_result(v, papers.domainkeys));
  if (papers.dkim.empty()) header.results.push_back({"dkim", "none"});
  for (const auto& signature : papers.dkim) header.results.push_back(dkim_result(signature));
  if (papers.arc.result != road::AuthResult::kNone) header.results.push_back(arc_result(papers.arc));
  if (papers.smime && papers.smime->result != road::AuthResult::kNone)
    header.results.push_back(smime_result(*papers.smime));
  header.results.push_back(dmarc_result(papers.dmarc));
  if (papers.iprev.result != road::AuthResult::kNone)
    header.results.push_back(iprev_result(papers.iprev, arrival.client_ip));
  return authres::format(header, {100, arrival.utf8});
}

Headers write_headers(const mail::Message& message, const identity::Papers& papers, const verdict::Verdict& verdict,
                      const Settings& settings, const Arrival& arrival) {
  Headers out;
  out.removed = forged_fields(message, settings);
  out.authentication_results = authentication_results(papers, settings, arrival);
  spf::Query query{arrival.client_ip,     arrival.helo,  arrival.mail_from,
                   spf::Identity::kMfrom, settings.host, arrival.now_s};
  // RFC 7208 section 9.1 and RFC 8601 section 5: both stand above the Received field of the same host.
  out.added.push_back("Authentication-Results: " + out.authentication_results);
  out.added.push_back(fold("Received-SPF: " + authres::received_spf(query, papers.spf_mfrom, settings.host)));
  if (papers.sender_id && papers.sender_id->purported.address &&
      papers.sender_id->pra.result != road::AuthResult::kNone)
    out.added.push_back(fold("Received-SPF: " + authres::received_spf(query, papers.sender_id->pra, settings.host)));
  if (verdict.action != verdict::Action::kAccept) out.added.push_back(verdict_field(verdict, arrival));
  out.added.push_back(received(settings, arrival));
  return out;
}

Headers write_trace(const Settings& settings, const Arrival& arrival) {
  Headers out;
  out.added.push_back(received(settings, arrival));
  return out;
}

}  // namespace sekisho::action
