// Two octets of type, then fields: what decodes must come back the same after encoding.
// covers: codec.cc projection.cc
#include <cstdlib>
#include <string_view>

#include "base/store/fields.h"
#include "trail/event.h"
#include "trail/projection.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* input, std::size_t size) {
  using namespace sekisho;
  std::string_view octets(reinterpret_cast<const char*>(input), size);
  if (octets.size() < 2) return 0;
  const auto type =
      static_cast<std::uint16_t>(16 + store::get_le(octets.substr(0, 2)) % 64);  // of events.def, and some between
  octets.remove_prefix(2);
  (void)trail::describe(type, octets);
  const auto event = trail::decode(type, octets);
  if (!event) return 0;
  std::vector<store::IndexEntry> entries;
  trail::apply({1, 2, 3, 4}, 5, *event, entries);
  // Texts over the limit are cut by the first encoding, so the second must change nothing.
  const auto once = trail::decode(type, trail::encode(*event));
  if (!once) std::abort();
  const auto twice = trail::decode(type, trail::encode(*once));
  if (!twice || !(*twice == *once) || trail::type_of(*once) != type) std::abort();
  return 0;
}
