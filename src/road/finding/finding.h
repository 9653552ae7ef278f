#pragma once
// Finding: one thing a room found, with its evidence; not an opinion. verdict/ alone makes opinions of findings.
// Codes are stable words declared in the rooms' findings.def files: FINDING(code, "English text", "Japanese text"),
// where %s in a text is replaced by the evidence. Texts are made only when shown.
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sekisho::road {

// RFC 8601 section 2.7. The word in Authentication-Results; "policy" only where that RFC has it.
enum class AuthResult : unsigned char { kNone, kNeutral, kPass, kFail, kSoftFail, kPolicy, kTempError, kPermError };
std::string_view word(AuthResult result);  // "none" "neutral" "pass" "fail" "softfail" "policy" "temperror" "permerror"

struct Finding {
  std::string_view room;  // "author", "dkim" ...: a literal
  std::string_view code;  // "from_multiple": a literal from findings.def
  AuthResult result = AuthResult::kNone;
  std::string evidence;  // short, printable, never content
};
using Findings = std::vector<Finding>;

struct FindingText {
  std::string_view room, code, en, ja;
};
// All rows of all findings.def files (finding.cc joins them).
std::span<const FindingText> finding_texts();
struct Text {
  std::string en, ja;
};
Text explain(const Finding& finding);

}  // namespace sekisho::road
