// Any text is a list: each name can be asked, and a list of its own names is the same list.
// covers: list.cc
#include <cstdlib>

#include "service/survey/survey.h"

using namespace sekisho;

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const auto list = survey::read_list({reinterpret_cast<const char*>(data), size});
  std::string again;
  for (const auto& name : list.names) {
    if (!mail::Domain::parse(name)) std::abort();
    again += name + "\r\n";
  }
  const auto second = survey::read_list(again);
  if (second.names != list.names || second.digest != list.digest || second.garbage_count != 0) std::abort();
  return 0;
}
