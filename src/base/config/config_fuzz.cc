// covers: config.cc
#include <cstdint>

#include "base/config/config.h"

using namespace sekisho;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* octets, std::size_t size) {
  static const config::Table table({
      {"mx.listen", config::Kind::kEndpoints, "127.0.0.1:2525", "", "", "", ""},
      {"mx.message_bytes", config::Kind::kInt, "10485760", "1024..1073741824", "bytes", "", ""},
      {"mx.tls_key", config::Kind::kPath, "", "", "", "", ""},
      {"server.mode", config::Kind::kText, "enforce", "enforce|observe", "", "", ""},
      {"server.quiet", config::Kind::kBool, "false", "", "", "", ""},
      {"local_domain[].name", config::Kind::kText, "!", "", "", "", ""},
      {"local_domain[].recipients", config::Kind::kTexts, "", "", "", "", ""},
  });
  const auto r = config::parse({reinterpret_cast<const char*>(octets), size}, "fuzz", table);
  if (!r.ok() && r.error().empty()) __builtin_trap();  // a refusal always says why
  return 0;
}
