// sekisho mediate explain -c FILE MESSAGE: what is left of each proof at the end of each way, before and after our
// changes.
#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>

#include "base/core/text.h"
#include "cmd/commands.h"
#include "cmd/files.h"
#include "cmd/judge.h"
#include "cmd/present.h"
#include "cmd/resolving.h"
#include "cmd/settings.h"
#include "road/mediation/mediation.h"

namespace sekisho::cmd {

namespace json = boost::json;

namespace {

struct MediateOptions {
  std::string config, path, message, ip = "127.0.0.1", zone, resolver;
  std::optional<std::string> helo, mail_from;
  std::int64_t now = 0;
  bool as_json = false;
};

struct EndSign {
  std::string result, detail;
};
struct EndRow {
  const char* method;
  EndSign before, after;
};

EndSign end_sign_of(const spf::Evaluation& e) {
  return {std::string(road::word(e.result)), e.domain.text() + ": " + e.reason.text()};
}

EndSign best_signature(const std::vector<dkim::Verification>& all) {
  if (all.empty()) return {"none", "not signed"};
  const auto passes = std::find_if(all.begin(), all.end(), [](const auto& v) { return v.passed(); });
  const auto& shown = passes == all.end() ? all.front() : *passes;
  std::string detail = shown.signing_domain + (shown.passed() ? "" : ": " + shown.reason);
  for (const auto& v : all)
    if (&v != &shown && v.signing_domain != shown.signing_domain)
      detail += "; " + v.signing_domain + " " + std::string(road::word(v.result));
  return {std::string(road::word(shown.result)), detail};
}

std::vector<EndRow> end_rows_of(const identity::Papers& before, const identity::Papers& after) {
  const auto dmarc = [](const identity::Papers& p) {
    return EndSign{std::string(road::word(p.dmarc.result)), p.dmarc.reason};
  };
  const auto domainkeys = [](const identity::Papers& p) {
    return EndSign{std::string(road::word(p.domainkeys.result)), p.domainkeys.reason};
  };
  const auto arc = [](const identity::Papers& p) {
    const std::string sealer = p.arc.sets.empty() ? "" : "sealed by " + p.arc.sets.back().sealer;
    return EndSign{std::string(road::word(p.arc.result)), sealer.empty() ? p.arc.reason : sealer};
  };
  std::vector<EndRow> out{{"spf", end_sign_of(before.spf_mfrom), end_sign_of(after.spf_mfrom)}};
  if (before.sender_id && after.sender_id) {
    out.push_back({"sender_id_mfrom", end_sign_of(before.sender_id->mfrom), end_sign_of(after.sender_id->mfrom)});
    out.push_back({"sender_id_pra", end_sign_of(before.sender_id->pra), end_sign_of(after.sender_id->pra)});
  }
  out.push_back({"domainkeys", domainkeys(before), domainkeys(after)});
  out.push_back({"dkim", best_signature(before.dkim), best_signature(after.dkim)});
  out.push_back({"dmarc", dmarc(before), dmarc(after)});
  out.push_back({"arc", arc(before), arc(after)});
  return out;
}

road::Text why_way_lost(const EndRow& row) {
  static constexpr std::pair<std::string_view, std::string_view> kCodes[] = {
      {"spf", "mediation_end_spf"},
      {"sender_id_mfrom", "mediation_end_sender_id_mfrom"},
      {"sender_id_pra", "mediation_end_sender_id_pra"},
      {"domainkeys", "mediation_end_domainkeys"},
      {"dkim", "mediation_end_dkim"},
      {"dmarc", "mediation_end_dmarc"},
      {"arc", "mediation_end_arc"}};
  std::string_view code;
  for (const auto& [method, each] : kCodes)
    if (method == row.method) code = each;
  return road::explain({"mediation", code, road::AuthResult::kNone, row.after.result});
}

class WayExplainer {
 public:
  WayExplainer(const Settings& settings, const MediateOptions& options, Judge& judge)
      : settings_(settings), mediation_(settings.egress->mediation), options_(options), judge_(judge) {}

  // Nothing: the message cannot be read, or a change cannot be made (fault() says why).
  std::optional<json::object> explain(const std::string& octets, std::optional<mediation::Path> as) {
    const std::string mail_from = options_.mail_from.value_or("");
    const Judged before = judged(octets, mail_from);
    if (!before.message) return fail("the message cannot be read: a bare CR, or a header too complex");
    core::Budget budget;
    const auto author = author::evaluate(*before.message, budget, false);
    const auto& papers = before.mail.papers;
    mediation::Facts facts{*before.message, author, mail_from, {}, &papers.arc};
    if (papers.dmarc.result != road::AuthResult::kTempError) facts.policy = papers.dmarc.published;
    const auto path = as ? *as : mediation::path_of(facts, mediation_);
    const auto plan = mediation::plan(facts, mediation_, path);
    auto results = authres::parse(before.headers.authentication_results, budget);
    const auto made = mediation::apply(before.message, plan, mediation_, &papers.arc,
                                       results ? *results : authres::Header{mediation_.authserv_id, 0, {}}, now(),
                                       action::date_text(now()));
    if (!made) return fail(std::string(mediation::word(made.error())));
    const ReturnPath return_path = after_path(path, mail_from);
    const Judged after = judged(octets_of(*made), return_path.address);
    return to_json(path, plan, mail_from, return_path, end_rows_of(papers, after.mail.papers));
  }
  const std::string& fault() const { return fault_; }

 private:
  std::nullopt_t fail(std::string why) {
    fault_ = std::move(why);
    return std::nullopt;
  }
  std::int64_t now() const { return options_.now ? options_.now : core::SystemClock().now_s(); }

  Judged judged(std::string octets, const std::string& mail_from) {
    Judge::Question question{*core::IpAddress::parse(options_.ip),
                             options_.helo.value_or(settings_.egress->world.helo_domain),
                             mail_from,
                             {},
                             std::move(octets),
                             now()};
    return judge_.run(std::move(question));
  }

  static std::string octets_of(const mediation::Applied& made) {
    struct Out final : mail::BodySink {
      std::string text;
      void update(std::string_view octets) override { text += octets; }
    } out;
    for (const auto& field : made.prepend) out.update(field);
    out.update(made.message->header_octets());
    out.update("\r\n");
    made.message->body().copy_to(out);
    return std::move(out.text);
  }

  struct ReturnPath {
    std::string address;
    std::optional<road::Finding> why;
  };
  // The return path is the MTA's work: SRS where it forwards, the list manager's address on a list.
  ReturnPath after_path(mediation::Path path, const std::string& mail_from) const {
    const auto domain = identity::domain_of(mail_from);
    const bool ours = domain && !mediation_.keys->select(*domain).empty();
    if (path == mediation::Path::kList && !mediation_.lists.empty() && !ours)
      return {"bounces@" + mediation_.lists.front().domain.text(), {}};
    if (path != mediation::Path::kForward || mail_from.empty()) return {mail_from, {}};
    if (settings_.mediator.policy) return rewritten(mail_from);
    if (ours || !domain) return {mail_from, {}};
    const std::string here = mediation_.forward_address ? mediation_.forward_address->domain().text()
                             : mediation_.sealer        ? mediation_.sealer->domain.text()
                                                        : settings_.road->action.host;
    const auto at = mail_from.rfind('@');
    return {"SRS0=HHHH=TT=" + mail_from.substr(at + 1) + "=" + mail_from.substr(0, at) + "@" + here,
            why("mediation_srs_unknown", here)};
  }
  // What [mediator] would answer the MTA now.
  ReturnPath rewritten(const std::string& mail_from) const {
    const auto made = mediator::answer(*settings_.mediator.policy, mediator::Direction::kForward, mail_from, now());
    if (made.address.empty()) return {mail_from, why("mediation_srs_kept", mediator::word(made.outcome))};
    return {made.address, why("mediation_srs_made", mediator::word(made.outcome))};
  }
  static road::Finding why(std::string_view code, std::string_view evidence) {
    return {"mediation", code, road::AuthResult::kNone, std::string(evidence)};
  }

  json::object to_json(mediation::Path path, const mediation::Plan& plan, const std::string& before,
                       const ReturnPath& after, const std::vector<EndRow>& rows) const {
    json::array changes, remarks;
    const auto text = [](const road::Finding& finding) {
      const auto both = road::explain(finding);
      return json::object{{"en", utf8(both.en)}, {"ja", utf8(both.ja)}};
    };
    for (const auto& step : plan.steps)
      changes.push_back({{"change", mediation::word(step.change)},
                         {"value", utf8(step.value)},
                         {"detail", utf8(step.detail)},
                         {"text", text(step.why)}});
    if (after.why) remarks.push_back({{"code", after.why->code}, {"text", text(*after.why)}});
    for (const auto& remark : plan.remarks) remarks.push_back({{"code", remark.code}, {"text", text(remark)}});
    json::object methods;
    for (const EndRow& row : rows) {
      json::object each{{"before", {{"result", row.before.result}, {"reason", utf8(row.before.detail)}}},
                        {"after", {{"result", row.after.result}, {"reason", utf8(row.after.detail)}}}};
      const bool survives = row.after.result == "pass";
      each["survives"] = survives;
      if (!survives) {
        const auto why = why_way_lost(row);
        each["text"] = {{"en", utf8(why.en)}, {"ja", utf8(why.ja)}};
      }
      methods[row.method] = std::move(each);
    }
    return {{"path", mediation::word(path)},
            {"return_path", {{"before", utf8(before)}, {"after", utf8(after.address)}}},
            {"changes", changes},
            {"remarks", remarks},
            {"methods", methods}};
  }

  const Settings& settings_;
  const mediation::Settings& mediation_;
  const MediateOptions& options_;
  Judge& judge_;
  std::string fault_;
};

// For a terminal: words of the mail and of the DNS are in it. utf8() has made them whole characters.
std::string way_text(const json::value& v, const char* key) {
  std::string out;
  for (const char c : std::string_view(v.at(key).as_string()))
    out += core::is_control(c) ? core::printable({&c, 1}) : std::string(1, c);
  return out;
}

void print_way(const json::object& o) {
  std::printf("\npath     %s\nfrom     <%s> -> <%s>\n", way_text(o, "path").c_str(),
              way_text(o.at("return_path"), "before").c_str(), way_text(o.at("return_path"), "after").c_str());
  for (const auto& c : o.at("changes").as_array())
    std::printf("change   %-10s %s %s\n         %s\n         %s\n", way_text(c, "change").c_str(),
                way_text(c, "value").c_str(), way_text(c, "detail").c_str(), way_text(c.at("text"), "en").c_str(),
                way_text(c.at("text"), "ja").c_str());
  for (const auto& r : o.at("remarks").as_array())
    std::printf("note     %s\n         %s\n", way_text(r.at("text"), "en").c_str(),
                way_text(r.at("text"), "ja").c_str());
  std::printf("  %-16s %-10s %-10s\n", "method", "before", "after");
  for (const auto& each : o.at("methods").as_object()) {
    const auto& m = each.value();
    std::printf("  %-16s %-10s %-10s %s\n", std::string(each.key()).c_str(), way_text(m.at("before"), "result").c_str(),
                way_text(m.at("after"), "result").c_str(), way_text(m.at("after"), "reason").c_str());
    if (const auto* text = m.as_object().if_contains("text"))
      std::printf("  %-38s %s\n  %-38s %s\n", "", way_text(*text, "en").c_str(), "", way_text(*text, "ja").c_str());
  }
}

// Something proves the mail at its end.
bool end_is_proven(const json::object& o) {
  const auto& methods = o.at("methods").as_object();
  const auto survives = [&](const char* name) {
    return methods.contains(name) && methods.at(name).at("survives").as_bool();
  };
  return survives("dmarc") || survives("dkim") || survives("spf") || survives("arc");
}

std::optional<std::vector<std::optional<mediation::Path>>> ways_for(const std::string& word) {
  using mediation::Path;
  std::vector<std::optional<Path>> out;
  if (word.empty()) out.emplace_back();
  for (const Path path : {Path::kOwn, Path::kForward, Path::kList, Path::kThirdParty})
    if (word == mediation::word(path) || (word == "all" && path != Path::kOwn)) out.emplace_back(path);
  if (out.empty()) return std::nullopt;
  return out;
}

}  // namespace

int mediate(const Arguments& arguments) {
  MediateOptions o;
  std::string verb;
  Cli cli(
      "mediate",
      "explain: what egress would do to this mail, and what is left of SPF, Sender ID, DomainKeys, DKIM, DMARC and\n"
      "ARC at its end, before and after: the ways of forwarding, a list, a third party. Nothing is sent.\n"
      "explain は、送信時に行う変更と、転送・メーリングリスト・第三者送信の経路の先で各検証がどうなるかを、変更の\n"
      "前後で並べて表示します。メールは送りません。",
      "  sekisho mediate explain -c /etc/sekisho/sekisho.toml --ip 192.0.2.25 --mail-from a@b.example mail.eml\n"
      "  sekisho mediate explain -c /etc/sekisho/sekisho.toml --path all --ip 192.0.2.25 --json mail.eml");
  cli.positional("VERB", verb, "explain");
  cli.positional("MESSAGE", o.message, "a file, or - for standard input");
  cli.text("-c,--config", o.config, "the config file with [egress] and [[signing_key]]", true);
  cli.text("--path", o.path, "own, forward, list, third-party or all three ways; the mail's own way when left out");
  cli.text("--ip", o.ip, "the address from which our mail goes out");
  cli.octets("--helo", o.helo, "what we say in EHLO; egress.helo when left out");
  cli.octets("--mail-from", o.mail_from, "the return path as it is before; '' is the null return path");
  cli.number("--now", o.now, 0, INT64_C(253402300799), "wall time as epoch seconds; 0 is now");
  cli.text("--zone", o.zone, "master file laid over the DNS");
  cli.text("--resolver", o.resolver, "ask this resolver, HOST:PORT");
  cli.flag("--json", o.as_json, "one JSON document on standard output");
  if (const auto status = cli.parse(arguments)) return *status;
  if (verb != "explain") return cli.usage_error("there is no verb '" + verb + "': explain");
  const auto paths = ways_for(o.path);
  if (!paths) return cli.usage_error("--path: '" + o.path + "' is none of own, forward, list, third-party, all");
  if (!core::IpAddress::parse(o.ip)) return cli.usage_error("--ip: '" + o.ip + "' is not an IPv4 or IPv6 address");
  auto settings = load_settings(o.config);
  if (!settings) return cli.usage_error(settings.error().front().text());
  auto resolver = make_resolver(settings->values, o.zone, o.resolver);
  if (!resolver) return cli.usage_error(resolver.error());
  const auto octets = read_octets(o.message);
  if (!octets) return cli.usage_error(octets.error());
  Judge judge(settings->road, std::move(*resolver));
  WayExplainer explainer(*settings, o, judge);
  json::array all;
  bool good = true;
  for (const auto& path : *paths) {
    auto explained = explainer.explain(*octets, path);
    if (!explained) return cli.usage_error(explainer.fault());
    good = good && end_is_proven(*explained);
    if (!o.as_json) print_way(*explained);
    all.push_back(std::move(*explained));
  }
  if (o.as_json) print_json(json::object{{"paths", all}});
  return good ? 0 : 1;
}

}  // namespace sekisho::cmd
