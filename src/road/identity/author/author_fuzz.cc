// The author of any header: a domain only where nothing is ambiguous, and evidence that can be shown.
// covers: author.cc display.cc header.cc
#include <algorithm>
#include <cstdlib>

#include "road/identity/author/author.h"

using namespace sekisho;

namespace {
void must(bool holds) {
  if (!holds) std::abort();
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  core::Budget budget;
  const auto message = mail::Message::parse(std::string(reinterpret_cast<const char*>(data), size), budget);
  if (!message) return 0;
  const author::Author found = author::evaluate(**message, budget);
  const auto has = [&found](std::string_view code) {
    return std::any_of(found.findings.begin(), found.findings.end(), [code](const auto& f) { return f.code == code; });
  };
  if (found.author_domain) must(!has("from_ambiguous") && !has("from_multiple") && !has("from_missing"));
  if (!found.author_domain) must(!found.findings.empty());
  must(found.addresses.size() <= author::kMaxAddresses);
  for (const auto& finding : found.findings) {
    const bool printable =
        std::all_of(finding.evidence.begin(), finding.evidence.end(), [](char c) { return c >= ' ' && c < 127; });
    must(printable && finding.evidence.size() < 200 && finding.room == "author");
    bool known = false;
    for (const auto& row : road::finding_texts())
      known = known || (row.room == finding.room && row.code == finding.code);
    must(known);
  }
  return 0;
}
