// The DMARC cases of ../shared, with the worst case for SPF: its MAIL FROM domain always passes.
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json.hpp>
#include <fstream>
#include <iostream>
#include <sstream>

#include "road/identity/dmarc/dmarc.h"
#include "road/identity/dmarc/map_resolver_test.h"

namespace sekisho::dmarc {
namespace {

namespace json = boost::json;

std::string text_of(const json::value& value) {
  if (value.is_string()) return std::string(value.as_string());
  std::string joined;
  for (const auto& part : value.as_array()) joined += part.as_string();
  return joined;
}

MapResolver resolver_of(const json::object& zone) {
  MapResolver::Zone names;
  std::set<std::string> timeouts;
  for (const auto& [name, types] : zone) {
    auto& texts = names[std::string(name)];
    if (const auto* list = types.as_object().if_contains("TXT"))
      for (const auto& text : list->as_array()) texts.push_back(text_of(text));
    if (types.as_object().contains("_behaviour")) timeouts.insert(std::string(name));
  }
  MapResolver resolver(std::move(names));
  resolver.timeouts = std::move(timeouts);
  return resolver;
}

mail::Domain domain_after_at(std::string_view text, std::string_view end) {
  const auto at = text.find('@');
  return *mail::Domain::parse(text.substr(at + 1, text.find_first_of(end, at) - at - 1));
}

std::vector<std::string> strings(const json::object& expect, std::string_view key) {
  std::vector<std::string> out;
  const auto* value = expect.if_contains(key);
  if (!value) return out;
  if (value->is_string()) return {std::string(value->as_string())};
  for (const auto& item : value->as_array()) out.emplace_back(item.as_string());
  return out;
}

bool contains(const std::vector<std::string>& list, std::string_view item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

void judge(const json::object& expect, const Evaluation& e, std::size_t queries) {
  static constexpr std::string_view kWords[] = {"none",     "neutral", "pass",      "fail",
                                                "softfail", "policy",  "temperror", "permerror"};
  const auto result = kWords[static_cast<std::size_t>(e.result)];
  auto allowed = strings(expect, "dmarc");
  for (auto& word : strings(expect, "dmarc_in")) allowed.push_back(std::move(word));
  EXPECT_TRUE(allowed.empty() || contains(allowed, result)) << result;
  if (const auto* forbid = expect.if_contains("forbid")) {
    EXPECT_FALSE(contains(strings(forbid->as_object(), "dmarc"), result)) << result;
  }
  if (const auto* most = expect.if_contains("rua_max")) {
    EXPECT_LE(e.rua.size(), most->to_number<std::size_t>());
  }
  if (const auto* most = expect.if_contains("dns_queries_max")) {
    EXPECT_LE(queries, most->to_number<std::size_t>());
  }
  for (const auto& address : strings(expect, "report_to_not")) EXPECT_FALSE(contains(e.rua, address)) << address;
  if (contains(strings(expect, "ok_actions"), "reject")) {
    EXPECT_NE(e.policy, Policy::kNone);
  }
}

TEST(DmarcCases, Shared) {
  const std::string path = std::string(SHARED_DIR) + "/cases/dmarc.json";
  std::ifstream in(path);
  if (!in) GTEST_SKIP() << "skipped: no " << path << " here";
  std::stringstream octets;
  octets << in.rdbuf();
  const auto list = PublicSuffixList::system();
  std::size_t runs = 0;
  const auto document = json::parse(octets.str());  // the items must not outlive it
  for (const auto& item : document.as_array()) {
    const auto& test = item.as_object();
    for (const Method method : {Method::kTree, Method::kPsl}) {
      SCOPED_TRACE(std::string(test.at("id").as_string()) + " by " + std::string(word(method)));
      auto resolver = resolver_of(test.at("zone").as_object());
      const std::string message(test.at("message").as_string());
      Inputs inputs;
      inputs.author_domain = domain_after_at(std::string_view(message).substr(message.find("From:")), ">\r");
      inputs.spf_result = road::AuthResult::kPass;
      inputs.spf_domain = domain_after_at(std::string(test.at("envelope").at("mail_from").as_string()) + " ", " ");
      Options options;
      options.method = method;
      options.psl = &*list;
      core::Budget budget;
      const auto e = core::run_ready(evaluate(inputs, resolver, options, budget));
      judge(test.at("expect").as_object(), e, resolver.asked.size());
      ++runs;
    }
  }
  std::cout << "DMARC cases: " << runs << " runs\n";
}

}  // namespace
}  // namespace sekisho::dmarc
