// Any octets are a result file, or one that ends early, or none: what is good reads the same again without the rest.
// covers: results.cc
#include <cstdlib>

#include "service/survey/survey.h"

using namespace sekisho;

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  survey::Kept first, second;
  std::size_t damaged_at = 0;
  const auto good = survey::parse_results(text, first, damaged_at, 10'000);
  if (!good) return 0;
  if (*good > size) std::abort();
  if (survey::parse_results(text.substr(0, *good), second, damaged_at, 10'000) != good) std::abort();
  if (first.facts != second.facts || first.digest != second.digest) std::abort();
  return 0;
}
