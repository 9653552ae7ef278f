#include "cmd/settings.h"

#include <algorithm>
#include <thread>

#include "base/core/text.h"
#include "base/crypto/crypto.h"
#include "base/dns/zone.h"
#include "base/io/pins.h"
#include "cmd/egress_settings.h"
#include "cmd/signing_settings.h"
#include "cmd/tables.h"

namespace sekisho::cmd {

// What is not there has no line: its table's does, by what each row must have.
std::uint32_t line_near(const config::Values& values, const std::string& key) {
  auto line = values.line(key);
  const auto row = key.find("].");
  for (const char* must : {"name", "domain"})
    if (line == 0 && row != std::string::npos) line = values.line(key.substr(0, row + 2) + must);
  return std::max<std::uint32_t>(line, 1);
}

namespace {

using config::Problem;

class Builder {
 public:
  explicit Builder(config::Values values) { out_.values = std::move(values); }

  core::Result<Settings, std::vector<Problem>> run() {
    server();
    gate();
    hops();
    domains();
    road();
    limits();
    stores();
    out_.signing = read_signing_keys(out_.values, problems_, out_.warnings);
    read_egress(out_, problems_);
    out_.mediator = read_mediator(out_.values, problems_, out_.warnings);
    if (!problems_.empty()) return core::error(problems_);
    return std::move(out_);
  }

 private:
  const std::string& text(const std::string& key) const { return out_.values.text(key); }
  std::int64_t number(const std::string& key) const { return out_.values.number(key); }
  void problem(const std::string& key, const std::string& what) {
    problems_.push_back({out_.values.file(), line_of(key), key + ": " + what});
  }
  std::uint32_t line_of(const std::string& key) const { return line_near(out_.values, key); }
  mail::Domain domain(const std::string& key, const std::string& value) {
    const auto found = mail::Domain::parse(value);
    if (!found) problem(key, "\"" + core::printable(value) + "\" is not a domain name, as in mx.example.org");
    return found ? *found : *mail::Domain::parse("invalid");
  }
  template <class T>
  void endpoints(const std::string& key, std::vector<T>& into) {
    for (const auto& value : out_.values.texts(key))
      if (const auto endpoint = io::Endpoint::parse(value)) into.push_back(*endpoint);
  }

  void networks(const std::string& key, std::vector<core::Network>& into) {
    for (const auto& value : out_.values.texts(key)) {
      const auto network = core::Network::parse(value);
      if (network)
        into.push_back(*network);
      else
        problem(key, "\"" + core::printable(value) + "\" is not a network, as in 192.0.2.0/24 or 2001:db8::/32");
    }
  }
  // Networks whose hosts are believed when they speak for others.
  void trusted(const std::string& key, std::vector<core::Network>& into) {
    networks(key, into);
    for (const auto& network : into)
      if (network.bits == 0) problem(key, "the whole Internet is in it: anybody could be anybody");
  }

  void server() {
    out_.road = std::make_shared<inbound::Config>();
    out_.state_dir = text("server.state_dir");
    out_.control_socket = text("control.socket").empty() ? out_.state_dir + "/control.sock" : text("control.socket");
    out_.threads = static_cast<std::size_t>(number("server.threads"));
    if (out_.threads == 0) out_.threads = std::max(1u, std::thread::hardware_concurrency());
    if (!text("metrics.listen").empty()) out_.metrics = io::Endpoint::parse(text("metrics.listen"));
    if (out_.metrics && !out_.metrics->ip.is_loopback())
      problem("metrics.listen", "must be a loopback address: metrics are not for everybody");
    out_.log_file = text("log.file");
    out_.log_level = text("log.level");
    out_.user = text("server.user");
    out_.sandbox = text("server.sandbox") == "on";
    out_.drain_ms = number("server.drain_ms");
    auto& action = out_.road->action;
    action.host = domain("server.host", text("server.host")).text();
    action.authserv_id = text("server.authserv_id").empty()
                             ? action.host
                             : domain("server.authserv_id", text("server.authserv_id")).text();
    action.trusted_ids = out_.values.texts("identity.trusted_authserv_ids");
    out_.road->observe_share_percent = static_cast<unsigned>(number("server.observe_share_percent"));
    for (const auto& name : out_.values.texts("server.observe_domains"))
      out_.road->observe_domains.push_back(domain("server.observe_domains", name));
    out_.road->node = static_cast<std::uint16_t>(number("server.node"));
  }

  void gate() {
    endpoints("mx.listen", out_.mx);
    if (out_.mx.empty()) problem("mx.listen", "is empty: name at least one address, as in [\"0.0.0.0:25\"]");
    out_.gate.sessions = static_cast<std::size_t>(number("mx.sessions_count"));
    out_.memory_bytes = static_cast<std::uint64_t>(number("mx.memory_bytes"));
    auto& s = out_.session;
    s.smtp.host_name = out_.road->action.host;
    s.smtp.data.size_bytes = static_cast<std::uint64_t>(number("mx.message_bytes"));
    s.smtp.data.discard_bytes = s.smtp.data.size_bytes * 2 + (64u << 20);
    s.smtp.recipient_limit = static_cast<std::uint32_t>(number("mx.recipients_count"));
    s.smtp.mail_limit = static_cast<std::uint32_t>(number("mx.mails_count"));
    s.command_timeout_ms = number("mx.command_timeout_ms");
    s.data_timeout_ms = number("mx.data_timeout_ms");
    s.session_ms = number("mx.session_ms");
    s.greet_pause_ms = number("mx.greet_pause_ms");
    trusted("mx.proxy_from", s.proxy_from);
    s.proxy_timeout_ms = number("mx.proxy_timeout_ms");
    trusted("mx.xclient_from", s.xclient_from);
    trusted("mx.trusted_relays", out_.road->trusted_relays);
    s.smtp.error_limit = static_cast<std::uint32_t>(number("mx.errors_count"));
    s.smtp.unknown_recipient_limit = static_cast<std::uint32_t>(number("mx.unknown_recipients_count"));
    s.node = out_.road->node;
    out_.road->message_bytes = s.smtp.data.size_bytes;
    certificates();
    if (out_.certificates) s.tls = out_.certificates->context();
    s.smtp.starttls = s.tls != nullptr;
  }

  // The pair of [mx] first: it is for clients that name nobody.
  void certificates() {
    std::vector<io::CertificateFiles> pairs;
    std::vector<std::string> keys;  // of the config, one a pair
    const auto add = [&](const std::string& certificate_key, const std::string& key_key) {
      pairs.push_back({text(certificate_key), text(key_key)});
      keys.push_back(certificate_key);
    };
    const bool certificate = !text("mx.tls_certificate").empty(), key = !text("mx.tls_key").empty();
    if (certificate != key)
      problem(certificate ? "mx.tls_certificate" : "mx.tls_key",
              "mx.tls_certificate and mx.tls_key go together: set both or none");
    if (certificate && key) add("mx.tls_certificate", "mx.tls_key");
    for (std::size_t i = 0; i < out_.values.count("tls.certificate"); ++i) {
      const std::string at = "tls.certificate[" + std::to_string(i) + "].";
      add(at + "certificate_file", at + "key_file");
    }
    if (pairs.empty()) return;
    const auto least = text("tls.min_version") == "1.3" ? io::TlsVersion::k13 : io::TlsVersion::k12;
    auto opened = io::Keychain::open(std::move(pairs), least);
    if (opened) out_.certificates = std::move(*opened);
    if (!opened)
      for (const auto& fault : opened.error()) problem(keys[fault.place], fault.what.text());
  }

  void hops() {
    if (out_.values.count("next_hop") == 0)
      problem("next_hop", "there is none: add a [[next_hop]] with name, kind and address or folder");
    for (std::size_t i = 0; i < out_.values.count("next_hop"); ++i) {
      const std::string at = "next_hop[" + std::to_string(i) + "].";
      transfer::Options o;
      o.name = text(at + "name");
      o.helo_domain = out_.road->action.host;
      o.xforward = out_.values.flag(at + "xforward");
      o.timeout_ms = number(at + "timeout_ms");
      o.sessions_count = static_cast<std::size_t>(number(at + "sessions_count"));
      const std::string &kind = text(at + "kind"), &tls = text(at + "tls");
      o.kind = kind == "lmtp"      ? transfer::Kind::kLmtp
               : kind == "maildir" ? transfer::Kind::kMaildir
                                   : transfer::Kind::kSmtp;
      o.tls = tls == "off"        ? transfer::Tls::kOff
              : tls == "encrypt"  ? transfer::Tls::kEncrypt
              : tls == "required" ? transfer::Tls::kRequired
                                  : transfer::Tls::kOpportunistic;
      hop_proof(at, o);
      o.folder = text(at + "folder");
      if (o.kind == transfer::Kind::kMaildir && o.folder.empty())
        problem(at + "folder", "a maildir next hop needs its folder");
      if (o.kind != transfer::Kind::kMaildir) {
        if (const auto endpoint = io::Endpoint::parse(text(at + "address")))
          o.address = *endpoint;
        else
          problem(at + "address", "an " + kind + " next hop needs its address, as in \"127.0.0.1:2600\"");
      }
      const auto same = [&](const transfer::Options& other) { return other.name == o.name; };
      if (std::any_of(out_.hops.begin(), out_.hops.end(), same))
        problem(at + "name", "\"" + o.name + "\" is used twice");
      out_.hops.push_back(std::move(o));
    }
  }

  void hop_proof(const std::string& at, transfer::Options& o) {
    if (!text(at + "tls_name").empty()) o.tls_name = domain(at + "tls_name", text(at + "tls_name")).text();
    std::vector<std::string> pins;
    for (const auto& value : out_.values.texts(at + "tls_pins")) {
      const auto octets = core::unhex(value);
      if (octets && octets->size() == 32)
        pins.push_back(*octets);
      else
        problem(at + "tls_pins", "\"" + core::printable(value) + "\" is not a SHA-256 in 64 hex digits");
    }
    if (o.tls != transfer::Tls::kRequired) return;
    if (!out_.values.texts(at + "tls_pins").empty()) {
      o.tls_context = io::pinned_client(std::move(pins));
      return;
    }
    if (o.tls_name.empty())
      problem(at + "tls",
              "required proves who the next hop is: set tls_name (and tls_ca_file) or tls_pins; encrypt is "
              "TLS without proof");
    auto context = io::TlsContext::verifying_client(text(at + "tls_ca_file"));
    if (context)
      o.tls_context = std::move(*context);
    else
      problem(at + "tls_ca_file", context.error());
  }

  void domains() {
    for (std::size_t i = 0; i < out_.values.count("local_domain"); ++i) {
      const std::string at = "local_domain[" + std::to_string(i) + "].";
      envelope::LocalDomain local{domain(at + "name", text(at + "name"))};
      local.next_hop = text(at + "next_hop");
      local.delimiter = text(at + "delimiter");
      const std::string& check = text(at + "check");
      local.check = check == "table" ? envelope::Check::kTable
                    : check == "any" ? envelope::Check::kAny
                                     : envelope::Check::kProbe;
      const auto named = [&](const transfer::Options& hop) { return hop.name == local.next_hop; };
      const auto hop = std::find_if(out_.hops.begin(), out_.hops.end(), named);
      if (hop == out_.hops.end()) {
        problem(at + "next_hop", "there is no [[next_hop]] with the name \"" + local.next_hop + "\"");
      } else if (local.check == envelope::Check::kProbe && hop->kind == transfer::Kind::kMaildir) {
        problem(at + "check", "a maildir next hop cannot be probed, allowed: table|any");
      }
      for (const auto& name : out_.values.texts(at + "recipients")) local.recipients.insert(core::to_lower(name));
      if (!text(at + "recipients_file").empty()) {
        auto read = envelope::LocalDomains::read_recipients(text(at + "recipients_file"));
        if (read)
          local.recipients.insert(read->begin(), read->end());
        else
          problem(at + "recipients_file", read.error());
      }
      const auto& observed = out_.road->observe_domains;
      local.observed = std::find(observed.begin(), observed.end(), local.name) != observed.end();
      if (out_.road->domains.find(local.name)) problem(at + "name", "\"" + local.name.text() + "\" is there twice");
      out_.road->domains.add(std::move(local));
    }
    if (out_.road->domains.empty())
      problem("local_domain", "there is none: nothing would be accepted; add a [[local_domain]]");
  }

  void road() {
    auto& road = *out_.road;
    road.identity.host = road.action.host;
    road.identity.sender_id = out_.values.flag("sender_id.check");
    road.identity.sender_id_pra_spf1 = out_.values.flag("sender_id.pra_uses_spf1");
    road.identity.submitter = out_.values.flag("sender_id.submitter");
    for (std::size_t i = 0; i < out_.values.count("arc_sealer"); ++i) {
      const std::string at = "arc_sealer[" + std::to_string(i) + "].";
      road.identity.trusted_sealers.push_back({domain(at + "domain", text(at + "domain")), text(at + "why")});
    }
    road.identity.dkim_legacy = out_.values.flag("dkim.legacy");
    road.identity.dmarc_method = text("dmarc.method") == "psl" ? dmarc::Method::kPsl : dmarc::Method::kTree;
    road.identity.time_ms = number("identity.time_ms");
    road.dns_queries = static_cast<std::uint32_t>(number("identity.dns_queries"));
    const std::string& file = text("dmarc.psl_file");
    auto psl = file.empty() ? dmarc::PublicSuffixList::system() : dmarc::PublicSuffixList::load(file);
    if (psl)
      road.psl = std::make_shared<const dmarc::PublicSuffixList>(std::move(*psl));
    else
      problem("dmarc.psl_file", file.empty() ? "the system's list cannot be read; install the package publicsuffix"
                                             : file + " cannot be read");
    road.identity.psl = road.psl.get();
    guard();
    if (const std::string& ca_file = text("smime.ca_file"); !ca_file.empty()) {
      auto trust = smime::Trust::load(ca_file);
      if (trust)
        road.identity.smime = std::move(*trust);
      else
        problem("smime.ca_file", trust.error());
    }
    auto& policy = road.policy;
    for (const auto& row : verdict::policy_table()) {
      const auto set = policy.set(row.key, text(std::string(row.key)));
      if (!set) problem(std::string(row.key), set.error());
    }
    policy.temperror_max_s = number("policy.temperror_max_s");
    policy.received_max = static_cast<unsigned>(number("mx.loop_count"));
    policy.operator_kind =
        text("server.operator") == "carrier" ? verdict::Operator::kCarrier : verdict::Operator::kEnterprise;
    if (text("server.mode") == "observe") policy.modes.fill(verdict::Mode::kObserve);
    const std::pair<const char*, verdict::Stage> stages[] = {{"connection", verdict::Stage::kConnection},
                                                             {"envelope", verdict::Stage::kEnvelope},
                                                             {"identity", verdict::Stage::kIdentity}};
    for (const auto& name : out_.values.texts("server.observe_stages"))
      for (const auto& [word, stage] : stages)
        if (name == word) policy.modes[static_cast<std::size_t>(stage)] = verdict::Mode::kObserve;
  }

  guard::Protected protected_domain(const std::string& at) {
    guard::Protected row{domain(at + "name", text(at + "name"))};
    row.why = text(at + "why");
    row.subdomains = out_.values.flag(at + "subdomains");
    row.strict = text(at + "alignment") == "strict";
    row.trust_arc = out_.values.flag(at + "trust_arc");
    row.demand = text(at + "action") == "mark" ? guard::Demand::kMark : guard::Demand::kReject;
    row.display_names = out_.values.texts(at + "display_names");
    const auto* psl = out_.road->identity.psl;
    if (row.name.labels() < 2 || (psl && psl->is_registry_suffix(row.name)))
      problem(at + "name", "\"" + row.name.text() + "\" belongs to a registry: strangers live below it");
    for (const auto& name : row.display_names)
      if (guard::look(name).size() < 2)
        problem(at + "display_names", "\"" + core::printable(name) + "\" is too short: it stands in every other name");
    return row;
  }

  void guard() {
    std::vector<guard::Protected> domains;
    for (std::size_t i = 0; i < out_.values.count("protected_domain"); ++i) {
      const std::string at = "protected_domain[" + std::to_string(i) + "].";
      domains.push_back(protected_domain(at));
      const auto same = [&](const guard::Protected& other) { return other.name == domains.back().name; };
      if (std::any_of(domains.begin(), domains.end() - 1, same))
        problem(at + "name", "\"" + domains.back().name.text() + "\" is there twice");
    }
    std::vector<guard::Forwarder> forwarders;
    for (std::size_t i = 0; i < out_.values.count("declared_forwarder"); ++i) {
      const std::string at = "declared_forwarder[" + std::to_string(i) + "].";
      guard::Forwarder row;
      row.why = text(at + "why");
      const bool network = !text(at + "network").empty(), name = !text(at + "domain").empty();
      if (network == name) problem(at + "why", "the forwarder needs either network or domain");
      if (network) row.network = core::Network::parse(text(at + "network"));
      if (network && (!row.network || row.network->bits == 0))
        problem(at + "network", "\"" + core::printable(text(at + "network")) +
                                    "\" is not a network of some hosts, as in 192.0.2.0/24 or 2001:db8::/32");
      row.name = text(at + (network ? "network" : "domain"));
      if (name) row.domain = domain(at + "domain", text(at + "domain"));
      forwarders.push_back(std::move(row));
    }
    out_.road->identity.guard =
        std::make_shared<const guard::List>(std::move(domains), std::move(forwarders), out_.road->identity.psl);
  }

  void limits() {
    auto& l = out_.limits;
    networks("limits.exempt", l.exempt);
    const auto get = [&](const char* name) {
      return static_cast<std::uint64_t>(number(std::string("limits.") + name));
    };
    l.ip_sessions = get("ip_sessions");
    l.prefix_sessions = get("prefix_sessions");
    l.ip_mails = get("ip_mails_per_hour");
    l.prefix_mails = get("prefix_mails_per_hour");
    l.domain_mails = get("domain_mails_per_hour");
    l.ip_recipients = get("ip_recipients_per_hour");
    l.prefix_recipients = get("prefix_recipients_per_hour");
    l.domain_recipients = get("domain_recipients_per_hour");
    l.ip_unknown = get("ip_unknown_recipients_per_hour");
    l.prefix_unknown = get("prefix_unknown_recipients_per_hour");
  }

  void stores() {
    endpoints("dns.servers", out_.dns.servers);
    if (out_.dns.servers.empty()) out_.dns.servers = dns::system_servers();
    out_.dns.timeout_ms = static_cast<std::uint32_t>(number("dns.timeout_ms"));
    out_.dns.cache_bytes = static_cast<std::size_t>(number("dns.cache_bytes"));
    out_.zone_file = text("dns.zone_file");
    if (!out_.zone_file.empty()) {
      auto zone = dns::Zone::read(out_.zone_file);
      if (zone)
        out_.zone = std::make_shared<const dns::Zone>(std::move(*zone));
      else
        problem("dns.zone_file", zone.error().line ? out_.zone_file + ": " + zone.error().text() : zone.error().text());
    }
    out_.retention_days = number("ledger.retention_days");
    out_.receipt_days = number("receipt.days");
    auto& t = out_.trail;
    t.ledger.folder = out_.state_dir + "/ledger";
    t.ledger.min_free_bytes = static_cast<std::uint64_t>(number("ledger.free_bytes"));
    t.index_folder = out_.state_dir + "/index";
    t.plain_recipients = text("ledger.recipients") == "plain";
    // A carrier holds other people's communications: there a query says why unless the operator decided otherwise.
    const bool carrier = text("server.operator") == "carrier";
    t.reason_required =
        out_.values.given("trace.reason_required") ? out_.values.flag("trace.reason_required") : carrier;
  }

  Settings out_;
  std::vector<Problem> problems_;
};

}  // namespace

core::Result<Settings, std::vector<Problem>> load_settings(const std::string& file) {
  auto values = config::load(file, option_table());
  if (!values) return core::error(values.error());
  auto settings = Builder(std::move(*values)).run();
  if (!settings) return settings;
  settings->road->id = config_id(settings->values, settings->values);
  return settings;
}

namespace {
// Calls visit(row, key) for each value, rows of tables one by one.
template <class Visit>
void each_value(const config::Values& values, Visit visit) {
  for (const auto& row : option_table().rows()) {
    const auto brackets = row.key.find("[]");
    if (brackets == std::string_view::npos) {
      visit(row, std::string(row.key));
      continue;
    }
    const std::string table(row.key.substr(0, brackets)), rest(row.key.substr(brackets + 2));
    for (std::size_t i = 0; i < values.count(table); ++i) visit(row, table + "[" + std::to_string(i) + "]" + rest);
  }
}
}  // namespace

std::string config_id(const config::Values& values, const config::Values& started) {
  std::string all;
  each_value(values, [&](const config::Option& row, const std::string& key) {
    all += key + "=" + (row.at_start ? started : values).show(key) + "\n";
  });
  const auto digest = crypto::sha256(all);
  return core::hex(crypto::view(digest)).substr(0, 16);
}

std::vector<std::pair<std::string, std::string>> paths_of(const config::Values& values) {
  std::vector<std::pair<std::string, std::string>> out;
  each_value(values, [&](const config::Option& row, const std::string& key) {
    if (row.kind == config::Kind::kPath && !values.text(key).empty()) out.emplace_back(key, values.text(key));
  });
  return out;
}

std::shared_ptr<inbound::Config> default_road(const std::string& authserv_id) {
  auto road = std::make_shared<inbound::Config>();
  road->action.host = road->action.authserv_id = authserv_id;
  road->identity.host = authserv_id;
  if (auto psl = dmarc::PublicSuffixList::system())
    road->psl = std::make_shared<const dmarc::PublicSuffixList>(std::move(*psl));
  road->identity.psl = road->psl.get();
  return road;
}

}  // namespace sekisho::cmd
