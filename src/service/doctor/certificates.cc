#include <algorithm>
#include <ctime>

#include "service/doctor/checks.h"

namespace sekisho::doctor {
namespace {
constexpr std::int64_t kDayS = 86'400;

std::string day(std::int64_t epoch_s) {
  const std::time_t time = epoch_s;
  std::tm parts{};
  char text[32];
  ::gmtime_r(&time, &parts);
  std::strftime(text, sizeof text, "%Y-%m-%d", &parts);
  return text;
}

void dates(Visit visit, const io::CertificateFacts& facts) {
  const std::int64_t now_s = visit.tools.clock.now_s(), left_s = facts.not_after_s - now_s;
  Grade grade = left_s > 14 * kDayS ? Grade::kOk : Grade::kWarning;
  std::string evidence = "until " + day(facts.not_after_s) + ", " + std::to_string(left_s / kDayS) + " days left";
  if (left_s <= 0) {
    grade = Grade::kFailure;
    evidence = "expired on " + day(facts.not_after_s);
  } else if (facts.not_before_s > now_s) {
    grade = Grade::kFailure;
    evidence = "not valid before " + day(facts.not_before_s);
  }
  visit.sheet.add(Id::k_certificate_dates, grade, facts.files.certificate, evidence);
}

void chain(Visit visit, const io::CertificateFacts& facts) {
  const std::string& file = facts.files.certificate;
  if (facts.self_signed)
    visit.sheet.add(Id::k_certificate_chain, Grade::kWarning, file,
                    "signed by itself: only pins and TLSA can prove it");
  else if (facts.chain_count == 0)
    visit.sheet.add(Id::k_certificate_chain, Grade::kWarning, file,
                    "the issuer's certificate is missing: " + facts.issuer);
  else if (!facts.chain_in_order)
    visit.sheet.add(Id::k_certificate_chain, Grade::kWarning, file, "the certificates are not in order");
  else
    visit.sheet.add(Id::k_certificate_chain, Grade::kOk, file,
                    std::to_string(facts.chain_count) + " issuers, in order");
}

bool same_file(const io::CertificateFiles& a, const io::CertificateFiles& b) { return a == b; }
}  // namespace

void examine_certificates(Visit visit) {
  const auto& pairs = visit.patient.certificates;
  if (pairs.empty()) {
    visit.sheet.add(Id::k_tls_offered, Grade::kWarning, "", "no certificate is configured");
    return;
  }
  visit.sheet.add(Id::k_tls_offered, Grade::kOk, "", std::to_string(pairs.size()) + " certificates");
  bool named = false;
  std::string names;
  for (auto at = pairs.begin(); at != pairs.end(); ++at) {
    if (std::any_of(pairs.begin(), at, [&](const auto& before) { return same_file(before, *at); })) continue;
    const auto facts = io::inspect_certificate(*at);
    if (!facts) {
      visit.sheet.add(Id::k_certificate_pair, Grade::kFailure, facts.error().file, facts.error().reason);
      continue;
    }
    for (const auto& name : facts->names) names += (names.empty() ? "" : ", ") + name;
    named = named || facts->covers(visit.patient.host);
    visit.sheet.add(Id::k_certificate_pair, Grade::kOk, at->certificate, "the key belongs to it");
    dates(visit, *facts);
    chain(visit, *facts);
    visit.sheet.add(Id::k_certificate_key, facts->slow ? Grade::kWarning : Grade::kOk, at->key,
                    facts->key_type + " " + std::to_string(facts->key_bits) + " bits");
  }
  visit.sheet.add(Id::k_certificate_name, named ? Grade::kOk : Grade::kWarning, visit.patient.host,
                  names.empty() ? "no names" : names);
}

}  // namespace sekisho::doctor
