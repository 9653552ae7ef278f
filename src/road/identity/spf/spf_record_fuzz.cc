// A record as the DNS gives it: the reader ends, and what it read lies inside the record.
// covers: record.cc
#include <cstdint>
#include <cstdlib>

#include "road/identity/spf/record.h"

using namespace sekisho::spf;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* octets, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(octets), size);
  const std::vector<std::string> texts{text, "v=spf1x"};
  const auto selection = select(texts);
  if (selection.count > 1) std::abort();
  const std::string_view record = selection.count ? selection.terms : std::string_view(text);
  const auto whole = scan(record);
  Terms terms(record);
  Term term;
  bool ok = true;
  for (;;) {
    const auto step = terms.next(term);
    if (step == Terms::Step::kEnd) break;
    if (term.text.data() < record.data() || term.text.data() + term.text.size() > record.data() + record.size())
      std::abort();
    if (step == Terms::Step::kSyntax) ok = false;
    if (ok && (term.prefix4 > 32 || term.prefix6 > 128)) std::abort();
  }
  if (whole.ok && !ok) std::abort();
  return 0;
}
