// Encoded words and charsets: whatever comes, UTF-8 comes out. The first line of an input names a charset.
// covers: charset.cc encoded_word.cc japanese.cc look.cc names.cc
#include <cstdlib>

#include "mail/address/utf8.h"
#include "mail/charset/charset.h"

using namespace sekisho::mail;

namespace {
void must(bool holds) {
  if (!holds) std::abort();
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  sekisho::core::Budget budget;
  const DecodedText decoded = decode_words(text, budget);
  must(is_utf8(decoded.text));
  must(is_utf8(compatible(decoded.text)) && is_utf8(skeleton(decoded.text)));
  const TextFacts facts = text_facts(compatible(decoded.text));
  must(!facts.bidi && !facts.invisible);
  looks_ascii(decoded.text);
  mixes_scripts(decoded.text);
  const auto line = text.find('\n');
  if (line != std::string_view::npos) must(is_utf8(to_utf8(text.substr(line + 1), text.substr(0, line), budget)));
  return 0;
}
