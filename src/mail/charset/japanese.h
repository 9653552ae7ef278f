#pragma once
// The Japanese charsets as Japanese mail really uses them, for charset.cc only. ICU's own tables for ISO-2022-JP and
// EUC-JP lack NEC row 13 and half-width kana, so both are brought to the rows and cells of windows-31j first.
#include <string>
#include <string_view>

namespace sekisho::mail {

enum class Japanese : unsigned char { kIso2022, kEuc };
std::string japanese_to_utf8(std::string_view octets, Japanese charset);

}  // namespace sekisho::mail
