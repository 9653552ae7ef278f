// covers: record.cc
#include <cstdlib>

#include "road/identity/dmarc/dmarc.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sekisho;
  core::Budget budget;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto record = dmarc::parse_record(text, budget, 5);
  if (!record) return 0;
  if (record->rua.size() > 5 || record->ruf.size() > 5) std::abort();
  for (const auto* list : {&record->rua, &record->ruf})
    for (const auto& uri : *list)
      if (uri.address.text().find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos) std::abort();
  return 0;
}
