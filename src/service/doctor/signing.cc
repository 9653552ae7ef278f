#include "service/doctor/checks.h"

namespace sekisho::doctor {
namespace {
using signing::Published;

Grade grade_of(const signing::Publication& seen) {
  switch (seen.state) {
    case Published::kMatches:
      return seen.testing ? Grade::kWarning : Grade::kOk;
    case Published::kTemporary:
      return Grade::kWarning;
    default:
      return Grade::kFailure;
  }
}

std::string evidence_of(const signing::Publication& seen) {
  if (seen.state != Published::kMatches) return std::string(signing::word(seen.state)) + ": " + seen.seen;
  return seen.testing ? "matches, but t=y: verifiers treat the mail as unsigned" : "matches";
}
}  // namespace

core::Task<void> examine_signing(Visit visit) {
  for (const auto& warning : visit.patient.key_warnings)
    visit.sheet.add(Id::k_signing_key_file, Grade::kWarning, warning.substr(0, warning.find(": ")), warning);
  if (!visit.patient.signing) co_return;
  for (const auto& key : visit.patient.signing->keys()) {
    const auto name = signing::record_name(key.selector, key.domain);
    if (!name) continue;
    const bool rsa = key.key.type() == signature::KeyType::kRsa;
    visit.sheet.add(Id::k_signing_key_file, Grade::kOk, key.file,
                    (rsa ? "RSA of " + std::to_string(key.key.bits()) + " bits" : std::string("Ed25519")) +
                        ", signs for " + (key.user.empty() ? "" : key.user + "@") + key.domain.text());
    core::Budget budget;
    auto asking = signing::find_published(key.key, *name, visit.tools.resolver, budget);
    const auto seen = co_await asking;
    auto& finding = visit.sheet.add(Id::k_signing_published, grade_of(seen), name->text(), evidence_of(seen));
    if (seen.state != Published::kMatches) finding.records.push_back(signing::record_line(*name, key.key.record()));
  }
}

}  // namespace sekisho::doctor
