#include "road/finding/finding.h"

#include <array>

namespace sekisho::road {
namespace {

// One table of all rooms' findings. The macro's text is the room's word, taken from where its findings.def stands.
#define FINDING(code, en, ja) {kRoom, #code, en, ja},
constexpr FindingText kTexts[] = {
#if __has_include("road/relay/findings.def")
#define kRoom "relay"
#include "road/relay/findings.def"
#undef kRoom
#endif
#if __has_include("road/connection/findings.def")
#define kRoom "connection"
#include "road/connection/findings.def"
#undef kRoom
#endif
#if __has_include("road/envelope/findings.def")
#define kRoom "envelope"
#include "road/envelope/findings.def"
#undef kRoom
#endif
#if __has_include("road/override/findings.def")
#define kRoom "override"
#include "road/override/findings.def"
#undef kRoom
#endif
#if __has_include("road/identity/author/findings.def")
#define kRoom "author"
#include "road/identity/author/findings.def"
#undef kRoom
#endif
#if __has_include("road/identity/iprev/findings.def")
#define kRoom "iprev"
#include "road/identity/iprev/findings.def"
#undef kRoom
#endif
#if __has_include("road/identity/domainkeys/findings.def")
#define kRoom "domainkeys"
#include "road/identity/domainkeys/findings.def"
#undef kRoom
#endif
#if __has_include("road/identity/arc/findings.def")
#define kRoom "arc"
#include "road/identity/arc/findings.def"
#undef kRoom
#endif
#if __has_include("road/identity/spf/findings.def")
#define kRoom "spf"
#include "road/identity/spf/findings.def"
#undef kRoom
#endif
#if __has_include("road/identity/sender_id/findings.def")
#define kRoom "sender_id"
#include "road/identity/sender_id/findings.def"
#undef kRoom
#endif
#if __has_include("road/identity/signature/findings.def")
#define kRoom "signature"
#include "road/identity/signature/findings.def"
#undef kRoom
#endif
#if __has_include("road/identity/dkim/findings.def")
#define kRoom "dkim"
#include "road/identity/dkim/findings.def"
#undef kRoom
#endif
#if __has_include("road/identity/dmarc/findings.def")
#define kRoom "dmarc"
#include "road/identity/dmarc/findings.def"
#undef kRoom
#endif
#if __has_include("road/identity/authres/findings.def")
#define kRoom "authres"
#include "road/identity/authres/findings.def"
#undef kRoom
#endif
#if __has_include("road/identity/guard/findings.def")
#define kRoom "guard"
#include "road/identity/guard/findings.def"
#undef kRoom
#endif
#if __has_include("road/identity/smime/findings.def")
#define kRoom "smime"
#include "road/identity/smime/findings.def"
#undef kRoom
#endif
#if __has_include("road/identity/findings.def")
#define kRoom "identity"
#include "road/identity/findings.def"
#undef kRoom
#endif
#if __has_include("road/mediation/findings.def")
#define kRoom "mediation"
#include "road/mediation/findings.def"
#undef kRoom
#endif
#if __has_include("road/verdict/findings.def")
#define kRoom "verdict"
#include "road/verdict/findings.def"
#undef kRoom
#endif
#if __has_include("road/receipt/findings.def")
#define kRoom "receipt"
#include "road/receipt/findings.def"
#undef kRoom
#endif
#if __has_include("road/action/findings.def")
#define kRoom "action"
#include "road/action/findings.def"
#undef kRoom
#endif
#if __has_include("road/inbound/findings.def")
#define kRoom "inbound"
#include "road/inbound/findings.def"
#undef kRoom
#endif
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
