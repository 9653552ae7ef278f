// The argument of XCLIENT: what is taken is tame, and a refusal is a reply.
// covers: xclient.cc
#include <algorithm>
#include <cstdlib>

#include "mail/smtp/xclient.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sekisho::smtp;
  const auto got = parse_xclient({reinterpret_cast<const char*>(data), size});
  if (!got) {
    if (got.error().code != 501 || got.error().lines.empty()) std::abort();
    return 0;
  }
  for (const auto* text : {&got->name.value, &got->helo.value}) {
    if (!*text) continue;
    if ((*text)->empty() || (*text)->size() > 255) std::abort();
    if (std::any_of((*text)->begin(), (*text)->end(), [](char c) { return c <= ' ' || c >= 127; })) std::abort();
  }
  if (got->address.value && !got->address.given) std::abort();
  return 0;
}
