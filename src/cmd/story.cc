#include "cmd/story.h"

#include <boost/json.hpp>
#include <cstdio>

#include "base/core/text.h"
#include "cmd/present.h"

namespace sekisho::cmd {

namespace json = boost::json;

namespace {

json::object text_json(const std::string& room, const std::string& code, const std::string& evidence) {
  const auto text = road::explain({room, code, road::AuthResult::kNone, evidence});
  return {{"en", utf8(text.en)}, {"ja", utf8(text.ja)}};
}

json::object to_json(const trail::Client& c) {
  return {{"ip", c.ip.text()},
          {"port", c.port},
          {"local_ip", c.local_ip.text()},
          {"local_port", c.local_port},
          {"helo", utf8(c.helo_domain)},
          {"reverse_name", utf8(c.reverse_name)},
          {"tls", utf8(c.tls)},
          {"peer_ip", c.named_by.empty() ? json::value(nullptr) : json::value(c.peer_ip.text())},
          {"peer_port", c.peer_port},
          {"named_by", utf8(c.named_by)},
          {"relay_ip", c.relay_ip == core::IpAddress() ? json::value(nullptr) : json::value(c.relay_ip.text())}};
}

json::array to_json(const std::vector<trail::Recipient>& all) {
  json::array out;
  for (const auto& r : all)
    out.push_back({{"hash", core::hex({r.hash.data(), r.hash.size()})},
                   {"domain", utf8(r.domain)},
                   {"address", r.address.empty() ? json::value(nullptr) : json::value(utf8(r.address))},
                   {"reply", utf8(r.reply)}});
  return out;
}

json::array to_json(const std::vector<trail::ReasonFact>& all) {
  json::array out;
  for (const auto& r : all)
    out.push_back({{"stage", r.stage},
                   {"code", r.code},
                   {"action", r.action},
                   {"observed", r.observed},
                   {"evidence", utf8(r.evidence)},
                   {"text", text_json(r.room, r.code, r.evidence)}});
  return out;
}

json::object body(const trail::Decided& d) {
  json::array findings, authentication, times, changes;
  for (const auto& c : d.changes)
    changes.push_back({{"change", c.kind},
                       {"value", utf8(c.domain)},
                       {"detail", utf8(c.detail)},
                       {"text", text_json("mediation", c.why, c.domain)}});
  for (const auto& f : d.findings)
    findings.push_back({{"room", f.room},
                        {"code", f.code},
                        {"result", f.result},
                        {"evidence", utf8(f.evidence)},
                        {"text", text_json(f.room, f.code, f.evidence)}});
  for (const auto& a : d.authentication)
    authentication.push_back(
        {{"method", a.method}, {"result", a.result}, {"domain", utf8(a.domain)}, {"detail", utf8(a.detail)}});
  for (const auto& t : d.stage_times) times.push_back({{"stage", t.stage}, {"us", t.duration_us}});
  return {{"transaction", d.transaction.text()},
          {"session", d.session.text()},
          {"client", to_json(d.client)},
          {"mail_from", utf8(d.mail_from)},
          {"submitter", d.submitter.empty() ? json::value(nullptr) : json::value(utf8(d.submitter))},
          {"recipients", to_json(d.recipients)},
          {"message_id", utf8(d.message_id)},
          {"author", utf8(d.author_address)},
          {"author_domain", utf8(d.author_domain)},
          {"size_bytes", d.size_bytes},
          {"sha256", core::hex({d.digest.data(), d.digest.size()})},
          {"findings", findings},
          {"authentication", authentication},
          {"action", d.action},
          {"would_be", d.would_be},
          {"reply", utf8(d.reply)},
          {"reasons", to_json(d.reasons)},
          {"lawful_basis", d.lawful_basis},
          {"override", d.override_reason},
          {"receipt", d.receipt},
          {"stage_times", times},
          {"mode", d.mode},
          {"road", d.road},
          {"changes", changes},
          {"config_id", d.config_id}};
}

json::object body(const trail::Outcome& o) {
  return {{"action", o.action},
          {"reply", utf8(o.reply)},
          {"delivered", o.delivered},
          {"next_hop", utf8(o.next_hop)},
          {"next_hop_reply", utf8(o.next_hop_reply)},
          {"queue_id", utf8(o.queue_id)},
          {"recipients", to_json(o.recipients)},
          {"duplicate_possible", o.duplicate},
          {"duration_us", o.duration_us}};
}

json::object body(const trail::Refused& r) {
  json::array senders;
  for (const auto& s : r.senders) senders.push_back(json::value(utf8(s.mail_from)));
  return {{"session", r.session.text()},
          {"client", to_json(r.client)},
          {"mail_from", utf8(r.mail_from)},
          {"more_mail_from", senders},
          {"recipients", to_json(r.recipients)},
          {"deferred", r.deferred},
          {"rejected", r.rejected},
          {"reply", utf8(r.reply)},
          {"reasons", to_json(r.reasons)},
          {"receipt", r.receipt},
          {"lawful_basis", r.lawful_basis}};
}

json::object body(const trail::SessionSummary& s) {
  return {{"session", s.session.text()},
          {"client", to_json(s.client)},
          {"mails", s.transactions},
          {"accepted", s.accepted},
          {"deferred", s.deferred},
          {"rejected", s.rejected},
          {"recipients_seen", s.recipients_seen},
          {"unknown_recipients", s.unknown_recipients},
          {"early_talker", s.early_talker},
          {"unauth_pipelining", s.unauthorised_pipelining},
          {"dha", s.directory_harvest}};
}

template <class Other>
json::object body(const Other&) {
  return {};
}

std::string at(const json::object& o, const char* key) {
  const auto* v = o.if_contains(key);
  if (!v || v->is_null()) return "";
  if (v->is_string()) return std::string(v->as_string());
  return json::serialize(*v);
}

std::string line(const char* label, const std::string& value) {
  if (value.empty()) return "";
  char head[32];
  std::snprintf(head, sizeof head, "  %-14s ", label);
  return head + value + "\n";
}

std::string reasons_text(const json::object& event) {
  std::string out;
  for (const auto& r : event.at("reasons").as_array()) {
    const auto& o = r.as_object();
    const auto& text = o.at("text").as_object();
    out += line("reason", at(o, "stage") + " / " + at(o, "code") + " -> " + at(o, "action") +
                              (o.at("observed").as_bool() ? " (observed only)" : ""));
    out += line("", at(text, "en")) + line("", at(text, "ja"));
  }
  return out;
}

std::string recipients_text(const json::object& e) {
  std::string out;
  for (const auto& r : e.at("recipients").as_array())
    out += line("rcpt to", at(r.as_object(), "address").empty()
                               ? at(r.as_object(), "hash") + " @" + at(r.as_object(), "domain")
                               : at(r.as_object(), "address"));
  return out;
}

std::string peer_text(const json::object& client) {
  if (at(client, "named_by").empty()) return "";
  return line("peer", at(client, "peer_ip") + " port " + at(client, "peer_port") + ", client named by " +
                          at(client, "named_by") +
                          (at(client, "relay_ip").empty() ? "" : " of relay " + at(client, "relay_ip")));
}

std::string decided_text(const json::object& d) {
  const auto& client = d.at("client").as_object();
  std::string out = line("client", at(client, "ip") + " port " + at(client, "port") + ", helo " + at(client, "helo") +
                                       (at(client, "reverse_name").empty() ? "" : ", " + at(client, "reverse_name")) +
                                       (at(client, "tls").empty() ? "" : ", " + at(client, "tls")));
  out += peer_text(client) + line("mail from", "<" + at(d, "mail_from") + ">") + line("submitter", at(d, "submitter"));
  out += recipients_text(d);
  out += line("author", at(d, "author")) + line("message-id", at(d, "message_id")) +
         line("size", at(d, "size_bytes") + " bytes");
  for (const auto& a : d.at("authentication").as_array()) {
    const auto& o = a.as_object();
    out += line(at(o, "method").c_str(), at(o, "result") + "  " + at(o, "domain") + "  " + at(o, "detail"));
  }
  for (const auto& c : d.at("changes").as_array()) {
    const auto& o = c.as_object();
    out += line("changed", at(o, "change") + "  " + at(o, "value") + "  " + at(o, "detail"));
    out += line("", at(o.at("text").as_object(), "en")) + line("", at(o.at("text").as_object(), "ja"));
  }
  for (const auto& f : d.at("findings").as_array()) {
    const auto& o = f.as_object();
    out += line("finding", at(o, "room") + " / " + at(o, "code") + ": " + at(o.at("text").as_object(), "en"));
  }
  out += line("verdict", at(d, "action") +
                             (at(d, "would_be") == at(d, "action") ? "" : " (would be " + at(d, "would_be") + ")") +
                             ", basis " + at(d, "lawful_basis"));
  return out + reasons_text(d) + line("reply", at(d, "reply")) + line("receipt", at(d, "receipt"));
}

std::string refused_text(const json::object& e) {
  std::string out = line("client", at(e.at("client").as_object(), "ip")) + peer_text(e.at("client").as_object()) +
                    line("mail from", "<" + at(e, "mail_from") + ">");
  for (const auto& sender : e.at("more_mail_from").as_array())
    out += line("mail from", "<" + std::string(sender.as_string()) + ">");
  return out + recipients_text(e) +
         line("refusals", at(e, "rejected") + " rejected, " + at(e, "deferred") + " deferred") +
         line("last reply", at(e, "reply")) + reasons_text(e) + line("receipt", at(e, "receipt"));
}

std::string event_text(const json::object& e) {
  const std::string name = at(e, "event");
  std::string out = at(e, "time") + "  " + name + "\n";
  if (name == "decided") return out + decided_text(e);
  if (name == "outcome")
    return out + line("delivered", at(e, "delivered")) +
           line("next hop", at(e, "next_hop") + ": " + at(e, "next_hop_reply")) + line("queue id", at(e, "queue_id")) +
           line("our reply", at(e, "reply"));
  if (name == "refused") return out + refused_text(e);
  if (name == "session")
    return out + line("mails", at(e, "mails") + ", accepted " + at(e, "accepted")) +
           line("recipients", at(e, "recipients_seen") + ", unknown " + at(e, "unknown_recipients")) +
           line("odd", std::string(e.at("early_talker").as_bool() ? "early_talker " : "") +
                           (e.at("unauth_pipelining").as_bool() ? "unauth_pipelining " : "") +
                           (e.at("dha").as_bool() ? "dha" : ""));
  return out;
}

}  // namespace

std::string time_text(std::int64_t us) {
  char part[16];
  std::snprintf(part, sizeof part, ".%03d UTC", static_cast<int>(us / 1000 % 1000));
  return utc_text(us / 1'000'000, "%Y-%m-%d %H:%M:%S") + part;
}

json::object to_json(const trail::Story& story) {
  json::array events;
  for (const auto& told : story.events) {
    json::object o{{"time", time_text(told.time_us)},
                   {"time_us", told.time_us},
                   {"seq", told.at.seq},
                   {"event", trail::event_name(trail::type_of(told.event))}};
    auto rest = std::visit([](const auto& event) { return body(event); }, told.event);
    for (auto& [key, value] : rest) o.insert_or_assign(key, std::move(value));
    events.push_back(std::move(o));
  }
  return {{"id", story.id.text()},
          {"state", trail::word(story.state)},
          {"time", time_text(story.time_us)},
          {"time_us", story.time_us},
          {"events", events}};
}

std::string story_text(const json::object& story) {
  std::string out = at(story, "id") + "  " + at(story, "state") + "\n";
  for (const auto& e : story.at("events").as_array()) out += event_text(e.as_object());
  return out;
}

std::optional<std::int64_t> whole_number(const json::value* value) {
  json::error_code fault;
  if (!value || !value->is_number()) return {};
  const auto number = value->to_number<std::int64_t>(fault);
  return fault ? std::nullopt : std::optional(number);
}

core::Result<trail::Query, std::string> query_of(const json::object& o) {
  trail::Query q;
  const auto take = [&](const char* key, std::optional<std::string>& into) {
    if (const auto* v = o.if_contains(key); v && v->is_string()) into = std::string(v->as_string());
  };
  std::optional<std::string> transaction, ip;
  take("transaction", transaction);
  take("message_id", q.message_id);
  take("queue_id", q.queue_id);
  take("mail_from", q.mail_from);
  take("rcpt_to", q.rcpt_to);
  take("client_ip", ip);
  take("domain", q.domain);
  if (transaction) {
    q.transaction = core::TransactionId::parse(*transaction);
    if (!q.transaction) return core::error(std::string("'" + *transaction + "' is not a transaction id of 26 letters"));
  }
  if (ip) {
    q.client_ip = core::IpAddress::parse(*ip);
    if (!q.client_ip) return core::error(std::string("'" + *ip + "' is not an IP address"));
  }
  std::int64_t port = 0, limit = static_cast<std::int64_t>(q.limit);
  const auto number = [&](const char* key, std::int64_t least, std::int64_t most, std::int64_t& into) {
    const auto* v = o.if_contains(key);
    if (!v) return true;
    const auto given = whole_number(v);
    return given && *given >= least && *given <= most && ((into = *given), true);
  };
  if (!number("client_port", 0, 65535, port)) return core::error(std::string("client_port is a number up to 65535"));
  if (!number("from_us", 0, INT64_MAX, q.from_us) || !number("to_us", 0, INT64_MAX, q.to_us))
    return core::error(std::string("from_us and to_us are microseconds since 1970"));
  if (!number("limit", 1, 10'000, limit)) return core::error(std::string("limit is a number from 1 to 10000"));
  if (o.contains("client_port")) q.client_port = static_cast<std::uint16_t>(port);
  q.limit = static_cast<std::size_t>(limit);
  return q;
}

}  // namespace sekisho::cmd
