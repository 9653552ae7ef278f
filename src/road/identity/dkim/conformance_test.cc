// The DKIM messages of the Mail::DKIM corpus, in legacy mode. They are not part of this tree: skipped when absent.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/core/text.h"
#include "base/dns/zone.h"
#include "road/identity/dkim/dkim.h"

namespace sekisho::dkim {
namespace {
using road::AuthResult;
const std::string kSuite = SHARED_DIR "/conformance/dkim-domainkeys-maildkim";

std::string file_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// "name  value" lines; NXDOMAIN and ~~fault~~ are words of the file.
dns::Zone read_zone() {
  dns::Zone zone;
  std::istringstream lines(file_text(kSuite + "/FAKE_DNS.dat"));
  for (std::string line; std::getline(lines, line);) {
    const auto space = line.find_first_of(" \t");
    if (line.empty() || line[0] == '#' || space == std::string::npos) continue;
    const std::string name = line.substr(0, space), value(core::trim_fws(line.substr(space)));
    zone.add_origin(name.substr(name.find("_domainkey.") + 11));
    if (value == "NXDOMAIN") continue;
    if (value.starts_with("~~"))
      zone.add_fault(name, value.find("SERVFAIL") == std::string::npos ? dns::Code::kTimeout : dns::Code::kServFail);
    else
      zone.add(name, dns::Type::kTxt, value);
  }
  return zone;
}

// The word behind "expect" of one file in expected.json.
std::string expected(const std::string& json, const std::string& file) {
  const auto at = json.find("\"" + file + "\"");
  if (at == std::string::npos) return {};
  const auto start = json.find('"', json.find(':', json.find("\"expect\"", at))) + 1;
  return json.substr(start, json.find('"', start) - start);
}

std::string outcome(const std::vector<Verification>& all) {
  std::string out = "none";
  for (const auto& one : all) {
    if (one.passed()) return "pass";
    if (one.result == AuthResult::kFail) out = "fail";
    if (out == "none") out = "invalid";
  }
  return out;
}

TEST(Conformance, MailDkimCorpus) {
  if (!std::filesystem::exists(kSuite)) GTEST_SKIP() << "the suite is not here: " << kSuite;
  const std::string json = file_text(kSuite + "/expected.json");
  auto resolver = dns::make_overlay(read_zone(), nullptr);
  Options options;
  options.legacy = true;
  options.now_s = 1'700'000'000;
  int right = 0, count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kSuite + "/corpus")) {
    const std::string file = entry.path().filename();
    const std::string text = file_text(entry.path());
    if (file.find("dk_") != std::string::npos) continue;  // DomainKeys
    const std::string want = expected(json, file);
    ASSERT_FALSE(want.empty()) << file;
    core::Budget budget;
    const auto message = mail::Message::from_file(text, budget);
    ASSERT_TRUE(message) << file;
    road::Findings findings;
    const auto all = core::run_ready(verify(**message, *resolver, options, budget, findings));
    ++count;
    const std::string got = outcome(all);
    right += got == want;
    EXPECT_EQ(got, want) << file << ": " << (all.empty() ? "no signature" : all[0].reason);
    // RFC 8301: keys under 1024 bits and sha1 are never accepted outside legacy mode.
    Options strict;
    strict.now_s = options.now_s;
    const auto again = core::run_ready(verify(**message, *resolver, strict, budget, findings));
    for (const auto& one : again)
      if (one.passed()) {
        EXPECT_TRUE(one.algorithm == "ed25519-sha256" || (one.algorithm == "rsa-sha256" && one.key_bits >= 1024))
            << file;
      }
  }
  std::printf("Mail::DKIM corpus, DKIM messages: %d of %d as expected\n", right, count);
  EXPECT_EQ(count, 41);
}

}  // namespace
}  // namespace sekisho::dkim
