#include "cmd/egress_settings.h"

#include "base/core/text.h"

namespace sekisho::cmd {
namespace {

class EgressReader {
 public:
  EgressReader(Settings& settings, std::vector<config::Problem>& problems)
      : s_(settings), values_(settings.values), problems_(problems) {}

  void run() {
    auto config = std::make_shared<egress::Config>();
    for (const auto& value : values_.texts("egress.listen"))
      if (const auto at = io::Endpoint::parse(value)) s_.egress_listen.push_back(*at);
    for (const auto& value : values_.texts("egress.clients")) {
      const auto network = core::Network::parse(value);
      if (!network || network->bits == 0)
        problem("egress.clients", "\"" + core::printable(value) + "\" is not a network of the MTA, as in 127.0.0.0/8");
      else
        config->clients.push_back(*network);
    }
    config->action = s_.road->action;
    config->lmtp = values_.text("egress.protocol") == "lmtp";
    config->observe = values_.text("server.mode") == "observe";
    config->node = s_.road->node;
    config->dmarc_method = s_.road->identity.dmarc_method;
    config->psl = s_.road->psl;
    config->received_max = static_cast<unsigned>(values_.number("mx.loop_count"));
    world(*config);
    mediation(config->mediation);
    session();
    s_.egress = std::move(config);
  }

 private:
  void problem(const std::string& key, const std::string& what) {
    problems_.push_back({values_.file(), line_near(values_, key), key + ": " + what});
  }
  std::optional<mail::Domain> domain(const std::string& key) {
    const auto found = mail::Domain::parse(values_.text(key));
    if (!found) problem(key, "\"" + core::printable(values_.text(key)) + "\" is not a domain name, as in example.org");
    return found;
  }
  std::optional<mail::Address> address(const std::string& key) {
    auto found = mail::Address::parse(values_.text(key));
    if (found) return std::move(*found);
    problem(key, "\"" + core::printable(values_.text(key)) + "\" is not an address, as in list@example.org");
    return std::nullopt;
  }

  void world(egress::Config& config) {
    if (!values_.text("egress.next_hop").empty())
      config.next_hop = io::Endpoint::parse(values_.text("egress.next_hop"));
    auto& o = config.world;
    o.helo_domain = s_.road->action.host;
    if (!values_.text("egress.helo").empty())
      if (const auto name = domain("egress.helo")) o.helo_domain = name->text();
    const std::string& tls = values_.text("egress.tls");
    o.tls = tls == "off"       ? transfer::Tls::kOff
            : tls == "encrypt" ? transfer::Tls::kEncrypt
                               : transfer::Tls::kOpportunistic;
    o.timeout_ms = values_.number("egress.timeout_ms");
    o.dot_timeout_ms = values_.number("egress.dot_timeout_ms");
    config.answer_ms = values_.number("egress.answer_timeout_ms");
    o.sessions_count = static_cast<std::size_t>(values_.number("egress.sessions_count"));
    route(config.route, o.helo_domain);
  }

  void route(egress::RouteRules& r, const std::string& helo_domain) {
    r.port = static_cast<std::uint16_t>(values_.number("egress.port"));
    r.own_names = {s_.road->action.host, helo_domain};
    r.own = s_.egress_listen;
    r.own.insert(r.own.end(), s_.mx.begin(), s_.mx.end());
    r.is_machine = egress::is_machine;
    for (const auto& value : values_.texts("egress.mx_networks")) {
      const auto network = core::Network::parse(value);
      if (!network || network->bits == 0)
        problem("egress.mx_networks",
                "\"" + core::printable(value) + "\" is not a network of yours, as in 10.1.0.0/16");
      else
        r.mx_networks.push_back(*network);
    }
  }

  void mediation(mediation::Settings& m) {
    m.keys = s_.signing;
    m.authserv_id = s_.road->action.authserv_id;
    const std::string& resent = values_.text("egress.resent");
    m.resent = resent == "from"     ? mediation::Resent::kFrom
               : resent == "sender" ? mediation::Resent::kSender
                                    : mediation::Resent::kOff;
    if (!values_.text("egress.forward_address").empty()) m.forward_address = address("egress.forward_address");
    if (m.resent == mediation::Resent::kSender && values_.text("egress.forward_address").empty())
      problem("egress.resent", "sender needs egress.forward_address");
    for (std::size_t i = 0; i < values_.count("egress_list"); ++i) {
      const std::string at = "egress_list[" + std::to_string(i) + "].";
      auto name = domain(at + "domain");
      auto where = address(at + "address");
      if (!name || !where) continue;
      std::string shown = values_.text(at + "name").empty() ? where->local() : values_.text(at + "name");
      if (m.keys && m.keys->select(*name).empty())
        s_.warnings.push_back(
            {values_.file(), line_near(values_, at + "domain"),
             at + "domain: no [[signing_key]] is there for " + name->text() + ": its mail goes unsigned"});
      m.lists.push_back({*name, core::to_lower(values_.text(at + "list_id")), *where, std::move(shown)});
    }
    seal(m);
  }

  void seal(mediation::Settings& m) {
    const std::string &name = values_.text("arc.seal_domain"), &selector = values_.text("arc.seal_selector"),
                      &file = values_.text("arc.seal_key_file");
    if (name.empty() && selector.empty() && file.empty()) return;
    if (name.empty() || selector.empty() || file.empty())
      return problem(name.empty()       ? "arc.seal_domain"
                     : selector.empty() ? "arc.seal_selector"
                                        : "arc.seal_key_file",
                     "arc.seal_domain, arc.seal_selector and arc.seal_key_file go together: set all or none");
    const auto sealer = domain("arc.seal_domain");
    auto key = signing::read_key_file(file);
    if (!key) problem("arc.seal_key_file", key.error());
    if (!sealer || !key) return;
    if (!signing::record_name(selector, *sealer))
      return problem("arc.seal_selector", "\"" + core::printable(selector) + "\" is not a selector, as in arc1");
    for (const auto& warning : key->warnings)
      s_.warnings.push_back({values_.file(), line_near(values_, "arc.seal_key_file"), "arc.seal_key_file: " + warning});
    m.sealer = std::make_shared<const mediation::Sealer>(
        mediation::Sealer{*sealer, core::to_lower(selector), std::move(key->key)});
  }

  // The queue is a friend that speaks for many: what counts against strangers does not count here.
  void session() {
    auto& s = s_.egress_session;
    s = s_.session;
    s.listener = "egress";
    s.smtp.lmtp = values_.text("egress.protocol") == "lmtp";
    s.smtp.error_limit = s.smtp.unknown_recipient_limit = s.smtp.junk_limit = 1'000'000;
    s.smtp.recipient_flood_limit = 1'000'000;
    s.greet_pause_ms = 0;
    s.proxy_from.clear();
    s.xclient_from.clear();
  }

  Settings& s_;
  const config::Values& values_;
  std::vector<config::Problem>& problems_;
};

}  // namespace

void read_egress(Settings& settings, std::vector<config::Problem>& problems) { EgressReader(settings, problems).run(); }

}  // namespace sekisho::cmd
