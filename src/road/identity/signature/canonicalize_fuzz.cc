// Canonical forms: doing it twice changes nothing, and chunks of any size give what one piece gives.
// covers: canonicalize.cc
#include <algorithm>
#include <cstdlib>

#include "road/identity/signature/signature.h"

using namespace sekisho;
using signature::Canon;

namespace {
struct Text final : mail::BodySink {
  std::string text;
  void update(std::string_view octets) override { text += octets; }
};

std::string canonical(Canon canon, std::string_view body, std::string_view chunks) {
  Text out;
  signature::BodyCanonicalizer canonicalizer(canon, out);
  std::size_t turn = 0;
  while (!body.empty()) {
    const std::size_t size =
        chunks.empty() ? body.size() : static_cast<unsigned char>(chunks[turn++ % chunks.size()]) % 40 + 1u;
    canonicalizer.update(body.substr(0, size));
    body.remove_prefix(std::min(size, body.size()));
  }
  canonicalizer.finish();
  return out.text;
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string_view chunks = input.substr(0, std::min<std::size_t>(4, size));
  const std::string_view body = input.substr(chunks.size());
  for (Canon canon : {Canon::kSimple, Canon::kRelaxed}) {
    const std::string whole = canonical(canon, body, {});
    if (canonical(canon, body, chunks) != whole) std::abort();
    if (canonical(canon, whole, {}) != whole) std::abort();
  }
  std::string once, twice;
  signature::append_canonical(Canon::kRelaxed, body, once);
  signature::append_canonical(Canon::kRelaxed, once, twice);
  if (once != twice) std::abort();
  return 0;
}
