#include "mail/charset/names.h"

#include <unicode/ucnv.h>

#include <algorithm>
#include <array>

#include "base/core/text.h"

namespace sekisho::mail {
namespace {

constexpr std::size_t kMaxName = 40;  // IANA's longest names are 45 octets; nobody mails those

struct Alias {
  std::string_view name;  // lower case, without '-', '_', ' ' and ':'
  CharsetKind kind;
  const char* icu_name;
};

constexpr const char* kKorean = "windows-949-2000";
constexpr const char* kChinese = "gb18030";
constexpr const char* kLatin1 = "windows-1252";

// What senders write and what they mean; names beside these are asked of ICU.
constexpr std::array kAliases = {
    Alias{"ascii", CharsetKind::kAscii, ""},
    Alias{"usascii", CharsetKind::kAscii, ""},
    Alias{"ansix3.41968", CharsetKind::kAscii, ""},
    Alias{"7bit", CharsetKind::kAscii, ""},
    Alias{"utf8", CharsetKind::kUtf8, ""},
    Alias{"utf8mb4", CharsetKind::kUtf8, ""},
    Alias{"unicode11utf8", CharsetKind::kUtf8, ""},
    Alias{"xunicode20utf8", CharsetKind::kUtf8, ""},
    Alias{"iso2022jp", CharsetKind::kIso2022Jp, ""},
    Alias{"iso2022jpms", CharsetKind::kIso2022Jp, ""},
    Alias{"iso2022jp3", CharsetKind::kIso2022Jp, ""},
    Alias{"iso2022jp2004", CharsetKind::kIso2022Jp, ""},
    Alias{"csiso2022jp", CharsetKind::kIso2022Jp, ""},
    Alias{"cp50220", CharsetKind::kIso2022Jp, ""},
    Alias{"cp50221", CharsetKind::kIso2022Jp, ""},
    Alias{"cp50222", CharsetKind::kIso2022Jp, ""},
    Alias{"xiso2022jpms", CharsetKind::kIso2022Jp, ""},
    Alias{"xwindowsiso2022jp", CharsetKind::kIso2022Jp, ""},
    Alias{"jis", CharsetKind::kIso2022Jp, ""},
    Alias{"jis7", CharsetKind::kIso2022Jp, ""},
    Alias{"eucjp", CharsetKind::kEucJp, ""},
    Alias{"eucjpms", CharsetKind::kEucJp, ""},
    Alias{"eucjpwin", CharsetKind::kEucJp, ""},
    Alias{"xeuc", CharsetKind::kEucJp, ""},
    Alias{"xeucjp", CharsetKind::kEucJp, ""},
    Alias{"xeucjpms", CharsetKind::kEucJp, ""},
    Alias{"cp51932", CharsetKind::kEucJp, ""},
    Alias{"ujis", CharsetKind::kEucJp, ""},
    Alias{"cp932", CharsetKind::kIcu, kShiftJis},
    Alias{"ms932", CharsetKind::kIcu, kShiftJis},
    Alias{"xms932", CharsetKind::kIcu, kShiftJis},
    Alias{"xmscp932", CharsetKind::kIcu, kShiftJis},
    Alias{"windows932", CharsetKind::kIcu, kShiftJis},
    Alias{"windows31j", CharsetKind::kIcu, kShiftJis},
    Alias{"cswindows31j", CharsetKind::kIcu, kShiftJis},
    Alias{"shiftjis", CharsetKind::kIcu, kShiftJis},
    Alias{"xshiftjis", CharsetKind::kIcu, kShiftJis},
    Alias{"sjis", CharsetKind::kIcu, kShiftJis},
    Alias{"xsjis", CharsetKind::kIcu, kShiftJis},
    Alias{"sjiswin", CharsetKind::kIcu, kShiftJis},
    Alias{"mskanji", CharsetKind::kIcu, kShiftJis},
    Alias{"xmacjapanese", CharsetKind::kIcu, kShiftJis},
    Alias{"shiftjisx0213", CharsetKind::kIcu, kShiftJis},
    Alias{"ksc56011987", CharsetKind::kIcu, kKorean},
    Alias{"ksc5601", CharsetKind::kIcu, kKorean},
    Alias{"ksx1001", CharsetKind::kIcu, kKorean},
    Alias{"korean", CharsetKind::kIcu, kKorean},
    Alias{"euckr", CharsetKind::kIcu, kKorean},
    Alias{"xeuckr", CharsetKind::kIcu, kKorean},
    Alias{"cp949", CharsetKind::kIcu, kKorean},
    Alias{"uhc", CharsetKind::kIcu, kKorean},
    Alias{"gb2312", CharsetKind::kIcu, kChinese},
    Alias{"gb231280", CharsetKind::kIcu, kChinese},
    Alias{"euccn", CharsetKind::kIcu, kChinese},
    Alias{"xeuccn", CharsetKind::kIcu, kChinese},
    Alias{"gbk", CharsetKind::kIcu, kChinese},
    Alias{"xgbk", CharsetKind::kIcu, kChinese},
    Alias{"cp936", CharsetKind::kIcu, kChinese},
    Alias{"windows936", CharsetKind::kIcu, kChinese},
    Alias{"cp950", CharsetKind::kIcu, "windows-950-2000"},
    Alias{"big5", CharsetKind::kIcu, "windows-950-2000"},
    Alias{"xxbig5", CharsetKind::kIcu, "windows-950-2000"},
    Alias{"iso88591", CharsetKind::kIcu, kLatin1},
    Alias{"iso885911987", CharsetKind::kIcu, kLatin1},
    Alias{"latin1", CharsetKind::kIcu, kLatin1},
    Alias{"l1", CharsetKind::kIcu, kLatin1},
    Alias{"xansi", CharsetKind::kIcu, kLatin1},
    Alias{"cp1252", CharsetKind::kIcu, kLatin1},
    Alias{"iso88598i", CharsetKind::kIcu, "iso-8859-8"},
    Alias{"iso88598e", CharsetKind::kIcu, "iso-8859-8"},
    Alias{"iso88599", CharsetKind::kIcu, "windows-1254"},
    Alias{"iso885911", CharsetKind::kIcu, "windows-874-2000"},
    Alias{"tis620", CharsetKind::kIcu, "windows-874-2000"},
    Alias{"xmacroman", CharsetKind::kIcu, "macintosh"},
};

std::string plain(std::string_view name) {
  std::string out;
  for (char c : name) {
    if (core::is_alnum(c) || c == '.') out.push_back(core::lower(c));
  }
  return out;
}

// ICU overlooks '-', '_', spaces and zeros, so one converter has countless spellings; its own name is one. Converters
// are kept open by name, and a stranger must not choose how many.
std::string icu_name(const std::string& written) {
  UErrorCode status = U_ZERO_ERROR;
  if (ucnv_countAliases(written.c_str(), &status) == 0 || U_FAILURE(status)) return {};
  const char* name = ucnv_getAlias(written.c_str(), 0, &status);
  return name && U_SUCCESS(status) ? name : "";
}

}  // namespace

Charset charset_of(std::string_view name) {
  name = core::trim_fws(name);
  if (name.empty() || name.size() > kMaxName || name.find('\0') != std::string_view::npos) return {};
  const std::string key = plain(name);
  const auto alias = std::find_if(kAliases.begin(), kAliases.end(), [&](const Alias& a) { return a.name == key; });
  if (alias != kAliases.end()) return {alias->kind, alias->icu_name};
  const std::string written = core::to_lower(name);
  // Options after a comma ("name,locale=x") are ICU's own language and nothing for outside text.
  if (written.find(',') != std::string::npos) return {};
  std::string known = icu_name(written);
  if (known.empty()) return {};
  return {CharsetKind::kIcu, std::move(known)};
}

}  // namespace sekisho::mail
