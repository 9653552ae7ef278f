#include "mail/charset/charset.h"

#include <unicode/ucnv.h>
#include <unicode/ucnv_cb.h>
#include <unicode/ustring.h>

#include <memory>
#include <string>
#include <unordered_map>

#include "base/core/text.h"
#include "mail/address/utf8.h"
#include "mail/charset/japanese.h"
#include "mail/charset/names.h"

namespace sekisho::mail {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

struct Close {
  void operator()(UConverter* converter) const { ucnv_close(converter); }
};
using Converter = std::unique_ptr<UConverter, Close>;

// ICU's own callback writes U+001A for some tables.
void replace_bad(const void*, UConverterToUnicodeArgs* args, const char*, std::int32_t, UConverterCallbackReason reason,
                 UErrorCode* status) {
  if (reason > UCNV_IRREGULAR) return;
  *status = U_ZERO_ERROR;
  constexpr UChar kBad = 0xfffd;
  ucnv_cbToUWriteUChars(args, &kBad, 1, 0, status);
}

// Opening a converter costs more than most conversions; one set per thread. Only names of our table and names that ICU
// knows get in, so the set is bounded.
UConverter* converter(const std::string& name) {
  thread_local std::unordered_map<std::string, Converter> open;
  if (const auto it = open.find(name); it != open.end()) {
    ucnv_reset(it->second.get());
    return it->second.get();
  }
  UErrorCode status = U_ZERO_ERROR;
  Converter fresh(ucnv_open(name.c_str(), &status));
  if (U_FAILURE(status)) return nullptr;
  ucnv_setToUCallBack(fresh.get(), replace_bad, nullptr, nullptr, nullptr, &status);
  return open.emplace(name, std::move(fresh)).first->second.get();
}

std::string utf8_of(const std::u16string& text) {
  std::string out(text.size() * 3, '\0');
  std::int32_t length = 0;
  UErrorCode status = U_ZERO_ERROR;
  u_strToUTF8WithSub(out.data(), static_cast<std::int32_t>(out.size()), &length, text.data(),
                     static_cast<std::int32_t>(text.size()), 0xfffd, nullptr, &status);
  out.resize(U_SUCCESS(status) ? static_cast<std::size_t>(length) : 0);
  return out;
}

std::string convert(UConverter* from, std::string_view octets) {
  std::u16string text;
  const char* source = octets.data();
  const char* end = source + octets.size();
  std::size_t used = 0;
  UErrorCode status = U_BUFFER_OVERFLOW_ERROR;
  while (status == U_BUFFER_OVERFLOW_ERROR) {
    status = U_ZERO_ERROR;
    text.resize(used + octets.size() + 8);
    UChar* target = text.data() + used;
    ucnv_toUnicode(from, &target, text.data() + text.size(), &source, end, nullptr, true, &status);
    used = static_cast<std::size_t>(target - text.data());
  }
  text.resize(used);
  return utf8_of(text);
}

std::string utf8_with_replacements(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t n = utf8_length(text);
    out.append(n ? text.substr(0, n) : kReplacement);
    text.remove_prefix(n ? n : 1);
  }
  return out;
}

std::string guess(std::string_view octets) {
  if (octets.find("\x1b$") != std::string_view::npos) return japanese_to_utf8(octets, Japanese::kIso2022);
  if (is_utf8(octets)) return std::string(octets);
  return convert_named(octets, "windows-1252");
}

}  // namespace

std::string convert_named(std::string_view octets, const char* icu_name) {
  UConverter* from = converter(icu_name);
  return from ? convert(from, octets) : utf8_with_replacements(octets);
}

bool known_charset(std::string_view name) { return charset_of(name).kind != CharsetKind::kUnknown; }

std::string to_utf8(std::string_view octets, std::string_view name, core::Budget& budget) {
  if (!budget.take_steps(octets.size()) || !budget.take_octets(octets.size())) return {};
  const Charset charset = charset_of(name);
  switch (charset.kind) {
    case CharsetKind::kUtf8:
      return utf8_with_replacements(octets);
    case CharsetKind::kAscii:
    case CharsetKind::kUnknown:
      return guess(octets);
    case CharsetKind::kIso2022Jp:
      return japanese_to_utf8(octets, Japanese::kIso2022);
    case CharsetKind::kEucJp:
      return japanese_to_utf8(octets, Japanese::kEuc);
    case CharsetKind::kIcu:
      return convert_named(octets, charset.icu_name.c_str());
  }
  return {};
}

}  // namespace sekisho::mail
