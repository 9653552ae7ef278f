// testdata/golden/NN-name.{msg,zone,expect}: mails signed by another program. An expect file has lines
//   result WORD [testing]   one for each signature, in order
//   finding CODE · no-finding CODE · agent TEXT (of the first signature) · queries N · legacy
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <sstream>

#include "base/dns/zone.h"
#include "road/identity/dkim/dkim.h"

namespace sekisho::dkim {
namespace {
using road::AuthResult;

std::string octets_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string text(const Verification& one) {
  static const std::map<AuthResult, std::string> kWords = {
      {AuthResult::kNone, "none"},     {AuthResult::kPass, "pass"},           {AuthResult::kFail, "fail"},
      {AuthResult::kPolicy, "policy"}, {AuthResult::kTempError, "temperror"}, {AuthResult::kPermError, "permerror"}};
  return kWords.at(one.result) + (one.testing ? " testing" : "");
}

struct Expect {
  std::vector<std::string> results;
  std::set<std::string> findings, no_findings;
  std::optional<std::string> agent;
  std::optional<unsigned> queries;
  bool legacy = false;
};

Expect read_expect(const std::string& path) {
  Expect out;
  std::istringstream lines(octets_of(path));
  for (std::string line; std::getline(lines, line);) {
    const auto space = line.find(' ');
    const std::string word = line.substr(0, space), rest = space == std::string::npos ? "" : line.substr(space + 1);
    if (word == "result") out.results.push_back(rest);
    if (word == "finding") out.findings.insert(rest);
    if (word == "no-finding") out.no_findings.insert(rest);
    if (word == "agent") out.agent = rest;
    if (word == "queries") out.queries = static_cast<unsigned>(std::stoul(rest));
    if (word == "legacy") out.legacy = true;
  }
  return out;
}

void run(const std::string& base) {
  SCOPED_TRACE(base);
  const Expect expect = read_expect(base + ".expect");
  const auto zone = dns::Zone::read(base + ".zone");
  ASSERT_TRUE(zone) << zone.error().text();
  const auto resolver = dns::make_overlay(*zone, nullptr);
  core::Budget budget;
  const auto message = mail::Message::parse(octets_of(base + ".msg"), budget);
  ASSERT_TRUE(message);
  Options options;
  options.now_s = 1'768'435'200;
  options.legacy = expect.legacy;
  road::Findings findings;
  const auto before = budget.dns_queries;
  const auto all = core::run_ready(verify(**message, *resolver, options, budget, findings));
  std::vector<std::string> results;
  for (const auto& one : all) results.push_back(text(one));
  EXPECT_EQ(results, expect.results) << (all.empty() ? "" : all[0].reason);
  std::set<std::string> codes;
  for (const auto& finding : findings) codes.insert(std::string(finding.code));
  for (const auto& code : expect.findings) EXPECT_TRUE(codes.contains(code)) << code;
  for (const auto& code : expect.no_findings) EXPECT_FALSE(codes.contains(code)) << code;
  if (expect.agent) {
    EXPECT_EQ(all.at(0).agent_id, *expect.agent);
  }
  if (expect.queries) {
    EXPECT_EQ(before - budget.dns_queries, *expect.queries);
  }
}

TEST(Golden, EveryCase) {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(TESTDATA "/golden")) {
    if (entry.path().extension() != ".msg") continue;
    run((entry.path().parent_path() / entry.path().stem()).string());
    ++count;
  }
  EXPECT_GE(count, 50);
}

}  // namespace
}  // namespace sekisho::dkim
