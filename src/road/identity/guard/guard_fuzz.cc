// A From field against a list of protected domains: whatever stands there, a domain outside the list is never proven,
// and evidence can be shown. First octet: who is proven; the rest: the field.
// covers: evaluate.cc look.cc
#include <algorithm>
#include <cstdlib>

#include "road/identity/guard/guard.h"

using namespace sekisho;

namespace {
void must(bool holds) {
  if (!holds) std::abort();
}
guard::Protected row(std::string_view name) {
  guard::Protected out{*mail::Domain::parse(name)};
  out.display_names = {"NTT\xe3\x83\x89\xe3\x82\xb3\xe3\x83\xa2"};
  return out;
}
const guard::List& list() {
  static const auto psl = dmarc::PublicSuffixList::system();
  static const guard::List made({row("docomo.ne.jp"), row("bank.example")}, {}, psl ? &*psl : nullptr);
  return made;
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  core::Budget budget;
  const std::string octets = "From: " + std::string(reinterpret_cast<const char*>(data) + 1, size - 1) + "\r\n\r\n";
  const auto message = mail::Message::parse(octets, budget);
  if (!message) return 0;
  const author::Author author = author::evaluate(**message, budget);
  const dmarc::Evaluation dmarc;
  guard::Inputs inputs{author, dmarc};
  if (data[0] & 1)
    inputs.identities.push_back(
        {guard::Evidence::kSignature, road::AuthResult::kPass, mail::Domain::parse("evil.example")});
  const auto found = guard::evaluate(inputs, list());
  must(found.result != road::AuthResult::kPass);  // evil.example proves nothing of ours
  for (const auto& address : author.addresses)
    if (author.author_domain && list().covering(address.domain())) must(found.result == road::AuthResult::kFail);
  std::size_t names = 0;
  for (const auto& name : author.names) names += name.size();
  must(names <= author::kMaxNameOctets);
  for (const auto& finding : found.findings)
    must(finding.evidence.size() < 200 &&
         std::all_of(finding.evidence.begin(), finding.evidence.end(), [](char c) { return c >= ' ' && c < 127; }));
  return 0;
}
