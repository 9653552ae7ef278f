// covers: field.cc verify.cc
#include <cstdlib>

#include "road/identity/arc/field.h"

// Any header: never a crash, never a pass without a key, and links only when the structure is whole.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* octets, std::size_t size) {
  using namespace sekisho;
  core::Budget budget;
  const auto message = mail::Message::from_file(std::string(reinterpret_cast<const char*>(octets), size), budget);
  if (!message) return 0;
  const auto chain = arc::read_chain(**message, {}, budget);
  if (!chain.fault.empty() && !chain.links.empty()) std::abort();
  for (std::size_t i = 0; i < chain.links.size(); ++i) {
    const auto& link = chain.links[i];
    if (!link.results_header || link.results.instance != i + 1) std::abort();
    if (link.seal.instance != i + 1 || link.message_signature.instance != i + 1) std::abort();
    if (link.seal.fault.empty() && (!link.seal.domain || !link.seal.key_name)) std::abort();
  }
  return 0;
}
