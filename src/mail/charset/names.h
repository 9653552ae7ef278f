#pragma once
// Charset names as they stand in mail, for charset.cc only.
#include <string>
#include <string_view>

namespace sekisho::mail {

enum class CharsetKind : unsigned char {
  kUnknown,
  kAscii,  // guessed when it has 8-bit octets
  kUtf8,
  kIso2022Jp,  // with the extensions of cp50221
  kEucJp,      // with the extensions of eucJP-ms
  kIcu,
};

struct Charset {
  CharsetKind kind = CharsetKind::kUnknown;
  std::string icu_name;  // only with kIcu
};

inline constexpr const char* kShiftJis = "ibm-943_P15A-2003";  // as Windows writes it

Charset charset_of(std::string_view name);
// Octets of one of ICU's charsets -> UTF-8.
std::string convert_named(std::string_view octets, const char* icu_name);

}  // namespace sekisho::mail
