// First octet: the type; second: where strings are cut; the rest: a TXT as the DNS gives it, and a policy file. What is
// complained about lies in the text and can be shown; rules are told a few times only.
// covers: common.cc spf.cc dkim.cc dmarc.cc reports.cc
#include <cstdint>
#include <cstdlib>
#include <map>

#include "service/records/records.h"

using namespace sekisho;

namespace {
void inspect(const records::Problems& problems, std::size_t size) {
  std::map<const records::Rule*, int> told;
  for (const auto& p : problems) {
    if (!p.rule || p.rule->en.empty() || p.rule->ja.empty() || (p.octet && *p.octet > size)) std::abort();
    if (++told[p.rule] > 10) std::abort();
    for (const char c : p.evidence)
      if (c < 0x20 || c > 0x7e) std::abort();
  }
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* octets, std::size_t size) {
  if (size < 2) return 0;
  const auto type = static_cast<records::Type>(octets[0] % records::kTypes);
  const std::size_t cut = octets[1];
  records::Text text{std::string(reinterpret_cast<const char*>(octets) + 2, size - 2), {}};
  for (std::size_t at = 0; cut > 0 && at < text.octets.size(); at += cut)
    text.string_sizes.push_back(std::min(cut, text.octets.size() - at));
  core::Budget budget;
  inspect(records::lint_text(type, "x.example", text, budget), text.octets.size());
  (void)records::classify(text.octets);
  const std::vector<std::string> mx{"mx.x.example"};
  inspect(records::lint_sts_policy("x.example", text.octets, mx, budget), text.octets.size());
  core::Budget poor{.steps = 100, .parts = 2};
  inspect(records::lint_text(type, "x.example", text, poor), text.octets.size());
  return 0;
}
