#include "cmd/present.h"

#include <boost/json.hpp>
#include <cstdio>
#include <ctime>

namespace sekisho::cmd {

namespace json = boost::json;

std::string utc_text(std::int64_t epoch_s, const char* format) {
  const std::time_t time = epoch_s;
  std::tm parts{};
  char text[40];
  ::gmtime_r(&time, &parts);
  return {text, std::strftime(text, sizeof text, format, &parts)};
}

std::string utf8(std::string_view in) {
  std::string out;
  for (std::size_t i = 0; i < in.size();) {
    const auto c = static_cast<unsigned char>(in[i]);
    const std::size_t n = c < 0x80                ? 1
                          : c >= 0xc2 && c < 0xe0 ? 2
                          : c >= 0xe0 && c < 0xf0 ? 3
                          : c >= 0xf0 && c < 0xf5 ? 4
                                                  : 0;
    bool good = n > 0 && i + n <= in.size();
    for (std::size_t k = 1; good && k < n; ++k) good = (static_cast<unsigned char>(in[i + k]) & 0xc0) == 0x80;
    if (good && n == 3) {
      const auto second = static_cast<unsigned char>(in[i + 1]);
      good = !(c == 0xe0 && second < 0xa0) && !(c == 0xed && second >= 0xa0);
    }
    if (good && n == 4) {
      const auto second = static_cast<unsigned char>(in[i + 1]);
      good = !(c == 0xf0 && second < 0x90) && !(c == 0xf4 && second >= 0x90);
    }
    out += good ? in.substr(i, n) : std::string_view("\xef\xbf\xbd");
    i += good ? n : 1;
  }
  return out;
}

void print_json(const json::value& value) { std::printf("%s\n", json::serialize(value).c_str()); }

std::string_view word(Evidence evidence) {
  constexpr std::string_view kWords[] = {"none", "address", "signature", "both"};
  return kWords[static_cast<std::size_t>(evidence)];
}

Evidence evidence_of(const dmarc::Evaluation& e) {
  using enum Evidence;
  return e.spf_aligned ? e.dkim_aligned ? kBoth : kAddress : e.dkim_aligned ? kSignature : kNone;
}

json::object to_json(const spf::Evaluation& e) {
  return {{"result", road::word(e.result)},
          {"evidence", word(Evidence::kAddress)},
          {"explanation", utf8(e.explanation)},
          {"reason", utf8(e.reason.view())},
          {"domain", utf8(e.domain.view())},
          {"identity", spf::word(e.identity)},
          {"lookups", e.lookups},
          {"void_lookups", e.void_lookups}};
}

json::object to_json(const sender_id::Evaluation& e) {
  json::object pra = to_json(e.pra);
  pra["address"] = e.purported.address ? json::value(utf8(e.purported.address->text())) : json::value(nullptr);
  pra["header"] = e.purported.header.empty() ? json::value(nullptr) : json::value(e.purported.header);
  return {{"mfrom", to_json(e.mfrom)}, {"pra", pra}};
}

json::object to_json(const dkim::Verification& v) {
  return {{"result", road::word(v.result)}, {"evidence", word(Evidence::kSignature)},
          {"reason", utf8(v.reason)},       {"signing_domain", utf8(v.signing_domain)},
          {"selector", utf8(v.selector)},   {"agent_id", utf8(v.agent_id)},
          {"algorithm", utf8(v.algorithm)}, {"key_bits", v.key_bits}};
}

namespace {
json::object to_json(const domainkeys::Verification& v) {
  return {{"result", road::word(v.result)}, {"reason", utf8(v.reason)},       {"signing_domain", v.signing_domain},
          {"selector", utf8(v.selector)},   {"algorithm", utf8(v.algorithm)}, {"key_bits", v.key_bits}};
}
}  // namespace

json::object to_json(const domainkeys::Evaluation& e) {
  json::array signatures;
  for (const auto& v : e.signatures) signatures.push_back(to_json(v));
  json::value policy = nullptr;
  if (e.policy)
    policy = {{"signs_all", e.policy->signs_all}, {"testing", e.policy->testing}, {"contact", utf8(e.policy->contact)}};
  return {{"result", road::word(e.result)},
          {"evidence", word(Evidence::kSignature)},
          {"reason", utf8(e.reason)},
          {"address", e.sending_address ? json::value(utf8(e.sending_address->text())) : json::value(nullptr)},
          {"header", e.header.empty() ? json::value(nullptr) : json::value(e.header)},
          {"signatures", signatures},
          {"policy", policy}};
}

json::object to_json(const arc::Evaluation& e) {
  json::array sealers;
  for (const auto& set : e.sets) sealers.push_back(json::value(set.sealer));
  return {{"result", road::word(e.result)},
          {"evidence", word(Evidence::kSignature)},
          {"instance", e.instance},
          {"sealers", sealers},
          {"reason", utf8(e.reason)}};
}

json::array to_json(std::span<const dkim::Verification> all) {
  json::array out;
  for (const auto& v : all) out.push_back(to_json(v));
  return out;
}

namespace {
json::value text_of(const std::optional<mail::Domain>& domain) {
  return domain ? json::value(domain->text()) : json::value(nullptr);
}
}  // namespace

json::object to_json(const dmarc::Evaluation& e) {
  json::array rua;
  for (const auto& address : e.rua) rua.push_back(json::value(utf8(address)));
  return {{"result", road::word(e.result)},
          {"evidence", word(evidence_of(e))},
          {"policy", dmarc::word(e.policy)},
          {"published_policy", dmarc::word(e.published)},
          {"policy_tag", e.policy_tag},
          {"testing", e.testing},
          {"author_domain", text_of(e.author_domain)},
          {"organizational_domain", text_of(e.organizational_domain)},
          {"policy_domain", text_of(e.policy_domain)},
          {"aligned", {{"spf", e.spf_aligned}, {"dkim", e.dkim_aligned}}},
          {"rua", rua},
          {"method", dmarc::word(e.method)},
          {"reason", utf8(e.reason)},
          {"override", nullptr}};
}

json::object to_json(const guard::Evaluation& e) {
  return {{"result", road::word(e.result)},
          {"domain", e.domain},
          {"why", utf8(e.why)},
          {"rests_on", guard::word(e.rests_on)},
          {"identity", utf8(e.identity)}};
}

json::object to_json(const smime::Evaluation& e) {
  return {{"result", road::word(e.result)},
          {"evidence", word(Evidence::kSignature)},
          {"reason", e.reason},
          {"address", e.address},
          {"by_author", e.by_author},
          {"serial", e.serial},
          {"issuer", e.issuer},
          {"part", e.part}};
}

json::object to_json(const road::Finding& f) {
  const auto text = road::explain(f);
  return {{"room", f.room},
          {"code", f.code},
          {"result", road::word(f.result)},
          {"text", {{"en", utf8(text.en)}, {"ja", utf8(text.ja)}}}};
}

json::array to_json(std::span<const road::Finding> all) {
  json::array out;
  for (const auto& f : all) out.push_back(to_json(f));
  return out;
}

json::array problems_json(std::span<const config::Problem> problems) {
  json::array out;
  for (const auto& p : problems) out.push_back({{"file", p.file}, {"line", p.line}, {"message", p.message}});
  return out;
}

void tell_problems(std::span<const config::Problem> problems) {
  for (const auto& p : problems) std::fprintf(stderr, "%s\n", p.text().c_str());
}

void tell_warnings(std::span<const config::Problem> warnings) {
  for (const auto& w : warnings)
    std::fprintf(stderr, "%s:%u: warning: %s\n", w.file.c_str(), w.line, w.message.c_str());
}

namespace {
bool is_failure(road::AuthResult result) {
  using enum road::AuthResult;
  return result == kFail || result == kPermError || result == kPolicy;
}
}  // namespace

int exit_status(std::span<const dkim::Verification> all) {
  bool failed = false, temporary = false;
  for (const auto& v : all) {
    using enum road::AuthResult;
    if (v.result == kPass) return 0;
    failed |= is_failure(v.result);
    temporary |= v.result == kTempError;
  }
  return temporary ? 3 : failed ? 1 : 0;
}

int exit_status(road::AuthResult result) {
  return result == road::AuthResult::kTempError ? 3 : is_failure(result) ? 1 : 0;
}

}  // namespace sekisho::cmd
