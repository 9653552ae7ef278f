#pragma once
// Text of header fields as people see it: charsets to UTF-8, encoded words (RFC 2047, RFC 2231 section 5), and facts
// about characters that mislead the eye. Nothing here fails: bad octets and unknown charsets give U+FFFD or a guess,
// and say so.
#include <string>
#include <string_view>

#include "base/core/budget.h"

namespace sekisho::mail {

// True when to_utf8 has a converter for the name (any letter case, our aliases included).
bool known_charset(std::string_view name);

// Octets of the named charset -> UTF-8. Names as they stand in mail: "iso-2022-jp" reads NEC row 13 and half-width kana
// too (cp50221), "shift_jis" is windows-31j, "gb2312" is gb18030, "iso-8859-1" and "us-ascii" are windows-1252. Unknown
// names,
// "" and "unknown-8bit" are guessed: UTF-8 when valid, ISO-2022-JP when it has its escapes, else windows-1252.
// The budget pays one step per octet; when it is empty the rest is left out.
std::string to_utf8(std::string_view octets, std::string_view charset, core::Budget& budget);

struct DecodedText {
  std::string text;        // UTF-8; folds removed
  bool encoded = false;    // at least one encoded word was decoded
  bool malformed = false;  // an encoded word was broken off, badly coded or of an unknown charset
  bool raw_8bit = false;   // octets over 127 outside encoded words
};

// Decodes every encoded word wherever it stands (in quoted strings too: many readers do). White space between adjacent
// words goes away (RFC 2047 section 6.2); octets of adjacent words of one charset are joined before conversion.
DecodedText decode_words(std::string_view text, core::Budget& budget);

// What in a text misleads the eye. Facts, not opinions.
struct TextFacts {
  bool control = false;      // C0, C1, line and paragraph separators (not HTAB)
  bool bidi = false;         // directional marks, embeddings, overrides, isolates
  bool invisible = false;    // zero-width and other characters without a glyph, where script or emoji do not need them
  bool replacement = false;  // U+FFFD
  bool non_ascii = false;
};
TextFacts text_facts(std::string_view utf8);

// Compatibility form (NFKC) without invisible and directional characters: "＠" becomes "@". For comparing, never for
// showing.
std::string compatible(std::string_view utf8);
// The Unicode confusable skeleton (UTS 39 section 4): texts that look alike have the same one.
std::string skeleton(std::string_view utf8);
// True when text holds non-ASCII characters but looks like ASCII to the eye: Cyrillic "раура1", a full-width "Ａ".
bool looks_ascii(std::string_view utf8);
// True when text mixes scripts that no writing system mixes (UTS 39 section 5.2, not "highly restrictive").
bool mixes_scripts(std::string_view utf8);

}  // namespace sekisho::mail
