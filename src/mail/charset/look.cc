#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/uscript.h>
#include <unicode/uspoof.h>
#include <unicode/ustring.h>
#include <unicode/utf8.h>

#include <algorithm>

#include "base/core/text.h"
#include "mail/charset/charset.h"

namespace sekisho::mail {
namespace {

constexpr UChar32 kZeroWidthNonJoiner = 0x200c, kZeroWidthJoiner = 0x200d;

bool is_control(UChar32 c) { return (u_charType(c) == U_CONTROL_CHAR && c != '\t') || c == 0x2028 || c == 0x2029; }

bool is_bidi(UChar32 c) { return u_hasBinaryProperty(c, UCHAR_BIDI_CONTROL); }

bool is_invisible(UChar32 c) {
  const bool variation = (c >= 0xfe00 && c <= 0xfe0f) || (c >= 0xe0100 && c <= 0xe01ef);  // of emoji and kanji
  return u_hasBinaryProperty(c, UCHAR_DEFAULT_IGNORABLE_CODE_POINT) && !variation && !is_bidi(c);
}

bool is_emoji_part(UChar32 c) {
  return u_hasBinaryProperty(c, UCHAR_EXTENDED_PICTOGRAPHIC) || u_hasBinaryProperty(c, UCHAR_EMOJI_MODIFIER) ||
         c == 0xfe0f;
}

// Joiners have work to do in emoji sequences and in Arabic and Indic scripts, and none in scripts that never join.
bool joiner_at_work(UChar32 joiner, UChar32 before) {
  if (joiner != kZeroWidthJoiner && joiner != kZeroWidthNonJoiner) return false;
  if (is_emoji_part(before)) return true;
  UErrorCode status = U_ZERO_ERROR;
  const UScriptCode script = uscript_getScript(before, &status);
  if (U_FAILURE(status)) return false;
  switch (script) {
    case USCRIPT_COMMON:
    case USCRIPT_INHERITED:
    case USCRIPT_LATIN:
    case USCRIPT_CYRILLIC:
    case USCRIPT_GREEK:
    case USCRIPT_HAN:
    case USCRIPT_HIRAGANA:
    case USCRIPT_KATAKANA:
    case USCRIPT_HANGUL:
      return false;
    default:
      return true;
  }
}

template <class Visit>
void each_character(std::string_view utf8, Visit visit) {
  const auto size = static_cast<std::int32_t>(std::min<std::size_t>(utf8.size(), INT32_MAX));
  for (std::int32_t i = 0; i < size;) {
    UChar32 c = 0;
    U8_NEXT(reinterpret_cast<const std::uint8_t*>(utf8.data()), i, size, c);
    visit(c < 0 ? 0xfffd : c);
  }
}

std::u16string to_utf16(std::string_view utf8) {
  std::u16string out;
  out.reserve(utf8.size());
  each_character(utf8, [&out](UChar32 c) {
    if (c > 0xffff) {
      out.push_back(static_cast<char16_t>(U16_LEAD(c)));
      out.push_back(static_cast<char16_t>(U16_TRAIL(c)));
    } else {
      out.push_back(static_cast<char16_t>(c));
    }
  });
  return out;
}

void append(std::string& out, UChar32 c) {
  char buffer[U8_MAX_LENGTH];
  std::int32_t n = 0;
  UBool error = false;
  U8_APPEND(buffer, n, U8_MAX_LENGTH, c, error);
  if (!error) out.append(buffer, static_cast<std::size_t>(n));
}

std::string to_utf8(const std::u16string& text) {
  std::string out;
  const auto size = static_cast<std::int32_t>(text.size());
  for (std::int32_t i = 0; i < size;) {
    UChar32 c = 0;
    U16_NEXT(text.data(), i, size, c);
    append(out, U_IS_SURROGATE(c) ? 0xfffd : c);
  }
  return out;
}

// Calls an ICU function of the form f(destination, capacity, status) -> length, twice when the first guess is too
// small.
template <class Fill>
std::u16string filled(std::size_t guess, Fill fill) {
  std::u16string out(guess + 16, u'\0');
  UErrorCode status = U_ZERO_ERROR;
  std::int32_t length = fill(out.data(), static_cast<std::int32_t>(out.size()), &status);
  if (status == U_BUFFER_OVERFLOW_ERROR) {
    out.resize(static_cast<std::size_t>(length) + 1);
    status = U_ZERO_ERROR;
    length = fill(out.data(), static_cast<std::int32_t>(out.size()), &status);
  }
  out.resize(U_SUCCESS(status) ? static_cast<std::size_t>(length) : 0);
  return out;
}

const USpoofChecker* spoof_checker() {
  static const USpoofChecker* const checker = [] {
    UErrorCode status = U_ZERO_ERROR;
    USpoofChecker* made = uspoof_open(&status);
    uspoof_setChecks(made, USPOOF_RESTRICTION_LEVEL, &status);
    uspoof_setRestrictionLevel(made, USPOOF_HIGHLY_RESTRICTIVE);
    return U_SUCCESS(status) ? made : nullptr;
  }();
  return checker;
}

}  // namespace

TextFacts text_facts(std::string_view utf8) {
  TextFacts facts;
  UChar32 before = 0;
  each_character(utf8, [&](UChar32 c) {
    if (is_control(c)) facts.control = true;
    if (is_bidi(c)) facts.bidi = true;
    if (is_invisible(c) && !joiner_at_work(c, before)) facts.invisible = true;
    if (c == 0xfffd) facts.replacement = true;
    if (c > 127) facts.non_ascii = true;
    before = c;
  });
  return facts;
}

std::string compatible(std::string_view utf8) {
  std::string visible;
  visible.reserve(utf8.size());
  each_character(utf8, [&visible](UChar32 c) {
    if (!is_bidi(c) && !is_invisible(c)) append(visible, c);
  });
  if (core::is_ascii(visible)) return visible;
  UErrorCode status = U_ZERO_ERROR;
  const UNormalizer2* nfkc = unorm2_getNFKCInstance(&status);
  if (U_FAILURE(status)) return visible;
  const std::u16string source = to_utf16(visible);
  return to_utf8(filled(source.size() * 2, [&](UChar* to, std::int32_t capacity, UErrorCode* error) {
    return unorm2_normalize(nfkc, source.data(), static_cast<std::int32_t>(source.size()), to, capacity, error);
  }));
}

std::string skeleton(std::string_view utf8) {
  const USpoofChecker* checker = spoof_checker();
  if (!checker) return std::string(utf8);
  const std::u16string source = to_utf16(utf8);
  return to_utf8(filled(source.size() * 2, [&](UChar* to, std::int32_t capacity, UErrorCode* error) {
    return uspoof_getSkeleton(checker, 0, source.data(), static_cast<std::int32_t>(source.size()), to, capacity, error);
  }));
}

bool looks_ascii(std::string_view utf8) {
  if (core::is_ascii(utf8)) return false;
  return core::is_ascii(skeleton(compatible(utf8)));
}

bool mixes_scripts(std::string_view utf8) {
  const USpoofChecker* checker = spoof_checker();
  if (!checker || core::is_ascii(utf8)) return false;
  const std::u16string text = to_utf16(utf8);
  UErrorCode status = U_ZERO_ERROR;
  return uspoof_check(checker, text.data(), static_cast<std::int32_t>(text.size()), nullptr, &status) != 0;
}

}  // namespace sekisho::mail
