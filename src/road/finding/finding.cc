#include "road/finding/finding.h"

#include <array>

namespace sekisho::road {
namespace {

// One table of all rooms' findings. The macro's text is the room's word, taken from where its findings.def stands.
#define FINDING(code, en, ja) {kRoom, #code, en, ja},
constexpr FindingText kTexts[] = {
#define kRoom "connection"
#if __has_include("road/connection/findings.def")
#include "road/connection/findings.def"
#endif
#undef kRoom
#define kRoom "envelope"
#if __has_include("road/envelope/findings.def")
#include "road/envelope/findings.def"
#endif
#undef kRoom
#define kRoom "author"
#if __has_include("road/identity/author/findings.def")
#include "road/identity/author/findings.def"
#endif
#undef kRoom
#define kRoom "spf"
#include "road/identity/spf/findings.def"
#undef kRoom
#define kRoom "dkim"
#if __has_include("road/identity/dkim/findings.def")
#include "road/identity/dkim/findings.def"
#endif
#undef kRoom
#define kRoom "dmarc"
#if __has_include("road/identity/dmarc/findings.def")
#include "road/identity/dmarc/findings.def"
#endif
#undef kRoom
#define kRoom "authres"
#if __has_include("road/identity/authres/findings.def")
#include "road/identity/authres/findings.def"
#endif
#undef kRoom
#define kRoom "identity"
#if __has_include("road/identity/findings.def")
#include "road/identity/findings.def"
#endif
#undef kRoom
#define kRoom "verdict"
#if __has_include("road/verdict/findings.def")
#include "road/verdict/findings.def"
#endif
#undef kRoom
};
#undef FINDING

std::string filled(std::string_view text, std::string_view evidence) {
  std::string out(text);
  if (const auto at = out.find("%s"); at != std::string::npos) out.replace(at, 2, evidence);
  return out;
}

}  // namespace

std::string_view word(AuthResult result) {
  static constexpr std::array<std::string_view, 8> kWords{"none",     "neutral", "pass",      "fail",
                                                          "softfail", "policy",  "temperror", "permerror"};
  return kWords[static_cast<std::size_t>(result)];
}

std::span<const FindingText> finding_texts() { return kTexts; }

Text explain(const Finding& finding) {
  for (const auto& row : kTexts)
    if (row.room == finding.room && row.code == finding.code)
      return {filled(row.en, finding.evidence), filled(row.ja, finding.evidence)};
  const std::string code(finding.code);
  return {code + ": " + finding.evidence, code + ": " + finding.evidence};
}

}  // namespace sekisho::road
