// Any octets as a tag list: names are unique, values view into the input, decoding never leaves it.
// covers: tags.cc
#include <cstdlib>

#include "road/identity/signature/signature.h"

using namespace sekisho;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  core::Budget budget;
  const auto list = signature::TagList::parse(text, budget);
  if (!list) return 0;
  for (const auto& tag : list->tags()) {
    if (list->find(tag.name) != &tag) std::abort();
    if (tag.space.data() < text.data() || tag.space.data() + tag.space.size() > text.data() + size) std::abort();
    (void)signature::decode_quoted(tag.value);
    (void)signature::split_colons(tag.value);
    std::string out;
    signature::append_canonical_signature(signature::Canon::kRelaxed, text, tag.space, out);
    signature::append_canonical_signature(signature::Canon::kSimple, text, tag.space, out);
  }
  return 0;
}
