// Any text is a zone or an error with its line; what a zone holds can be asked.
// covers: name.cc zone.cc zone_text.cc
#include <cstdlib>

#include "base/dns/zone.h"

using namespace sekisho;

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const auto zone = dns::Zone::parse({reinterpret_cast<const char*>(data), size});
  if (!zone) {
    if (zone.error().line == 0 || zone.error().what.empty()) std::abort();
    return 0;
  }
  const auto overlay = dns::make_overlay(*zone, nullptr);
  for (const auto& [name, node] : zone->nodes()) {
    if (!overlay->ready(name, dns::Type::kTxt)) std::abort();
    for (const auto& [type, set] : node.sets) {
      const auto answer = overlay->ready(name, type);
      const bool faulty = node.fault || node.type_faults.count(type);
      if (!answer || (!faulty && answer->code != dns::Code::kRecords)) std::abort();
    }
  }
  return 0;
}
