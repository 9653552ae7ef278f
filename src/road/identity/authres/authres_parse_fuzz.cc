// Any value: reading ends; what was read, written and read again is the same, but for what cannot be written.
// covers: lexer.cc parse.cc forged.cc
#include <cstdint>
#include <cstdlib>

#include "road/identity/authres/authres.h"

using namespace sekisho;

namespace {
void same(const authres::Header& a, const authres::Header& b) {
  if (a.results.size() != b.results.size()) std::abort();
  for (std::size_t i = 0; i < a.results.size(); ++i) {
    const auto &x = a.results[i], &y = b.results[i];
    if (x.method != y.method || x.result != y.result || x.reason != y.reason ||
        x.properties.size() != y.properties.size())
      std::abort();
    for (std::size_t k = 0; k < x.properties.size(); ++k)
      if (x.properties[k].value != y.properties[k].value || x.properties[k].property != y.properties[k].property)
        std::abort();
  }
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* octets, std::size_t size) {
  const std::string_view value(reinterpret_cast<const char*>(octets), size);
  core::Budget budget;
  const std::string id = "mx.sekisho.example";
  const mail::HeaderField fields[] = {{value, "Authentication-Results", value, false},
                                      {value, "Received-SPF", value, false}};
  (void)authres::forged(fields, {&id, 1});
  const auto header = authres::parse(value, budget);
  if (!header) return 0;
  if (authres::same_id(header->authserv_id, id) && authres::forged(fields, {&id, 1}).empty()) std::abort();
  const auto text = authres::format(*header, {.fold_at = 78});
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\0' || (text[i] == '\n' && (i == 0 || text[i - 1] != '\r'))) std::abort();
    if (text[i] == '\r' && text.compare(i, 3, "\r\n\t") != 0) std::abort();
  }
  const auto once = authres::parse(text, budget);
  if (!once && budget.steps > 0 && budget.parts > 0 && budget.octets > 0) std::abort();
  if (!once) return 0;
  const auto twice = authres::parse(authres::format(*once), budget);
  if (twice) same(*once, *twice);
  return 0;
}
