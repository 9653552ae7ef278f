#include "cmd/methods.h"

#include <boost/json.hpp>

namespace sekisho::cmd {
namespace {

namespace json = boost::json;

std::string name_text(const std::optional<mail::Domain>& domain) { return domain ? domain->text() : "-"; }

// "reject (sp at example.org)"
std::string policy_of(const dmarc::Evaluation& e, std::string_view applied) {
  if (!e.record) return "-";
  std::string out(dmarc::word(e.published));
  out += " (" + std::string(e.policy_tag) + " at " + name_text(e.policy_domain) + ")";
  if (e.policy != e.published) out += std::string(applied) + std::string(dmarc::word(e.policy));
  return out;
}

road::Text line(const dmarc::Evaluation& e) {
  const bool tree = e.method == dmarc::Method::kTree;
  const std::string what = name_text(e.organizational_domain);
  return {
      std::string(tree ? "tree      RFC 9989, DNS tree walk:        " : "psl       RFC 7489, public suffix list: ") +
          "organization " + what + ", policy " + policy_of(e, ", applied: "),
      std::string(tree ? "tree      RFC 9989 DNS ツリーウォーク:       "
                       : "psl       RFC 7489 パブリックサフィックス:  ") +
          "組織ドメイン " + what + "、ポリシー " + policy_of(e, "、適用: ")};
}

json::object side_json(const dmarc::Evaluation& e) {
  const auto name = [](const std::optional<mail::Domain>& d) {
    return d ? json::value(d->text()) : json::value(nullptr);
  };
  return {{"result", road::word(e.result)},
          {"organizational_domain", name(e.organizational_domain)},
          {"policy_domain", name(e.policy_domain)},
          {"policy", dmarc::word(e.policy)},
          {"published_policy", dmarc::word(e.published)},
          {"policy_tag", e.policy_tag},
          {"aligned", {{"spf", e.spf_aligned}, {"dkim", e.dkim_aligned}}}};
}

road::Text why(const BothWays& both) {
  if (both.method == dmarc::Method::kTree)
    return {
        "tree, dmarc.method: RFC 9989 replaces RFC 7489, and the owner's own records say where the organization ends",
        "tree (dmarc.method): RFC 7489 に代わる RFC 9989 に従い、組織の境界はドメイン所有者のレコードで決めます"};
  return {"psl, dmarc.method: the operator chose RFC 7489 and its list of registries",
          "psl (dmarc.method): 運用者が RFC 7489 とパブリックサフィックスリストを選んでいます"};
}

}  // namespace

bool BothWays::differ() const {
  return tree.organizational_domain != psl.organizational_domain || tree.policy_domain != psl.policy_domain ||
         tree.policy != psl.policy || tree.published != psl.published || tree.policy_tag != psl.policy_tag ||
         tree.result != psl.result;
}

core::Task<BothWays> look_both_ways(dmarc::Inputs inputs, dns::Resolver& resolver, dmarc::Method method,
                                    const dmarc::PublicSuffixList* psl, core::Budget& budget) {
  BothWays both;
  both.method = method;
  dmarc::Options options;
  options.psl = psl;
  options.failure_destinations = true;
  options.method = dmarc::Method::kTree;
  both.tree = co_await dmarc::evaluate(inputs, resolver, options, budget);
  options.method = dmarc::Method::kPsl;
  both.psl = co_await dmarc::evaluate(inputs, resolver, options, budget);
  co_return both;
}

std::vector<road::Text> explain(const BothWays& both) {
  const auto reason = why(both);
  std::vector<road::Text> lines;
  lines.push_back(line(both.followed()));
  if (both.differ()) lines.push_back(line(both.method == dmarc::Method::kTree ? both.psl : both.tree));
  lines.push_back({(both.differ() ? "they differ; followed is " : "both ways agree; followed is ") + reason.en,
                   (both.differ() ? "両者は異なります。従うのは " : "両者は一致します。従うのは ") + reason.ja});
  return lines;
}

json::object to_json(const BothWays& both) {
  const auto reason = why(both);
  return {{"tree", side_json(both.tree)},
          {"psl", side_json(both.psl)},
          {"differ", both.differ()},
          {"followed", dmarc::word(both.method)},
          {"why", {{"en", reason.en}, {"ja", reason.ja}}}};
}

}  // namespace sekisho::cmd
