#include <cstdlib>
#include <filesystem>
#include <string>

#include "road/receipt/receipt.h"

namespace {
using sekisho::receipt::KeyRing;

std::unique_ptr<KeyRing> make_ring() {
  static sekisho::core::SeededRandom random(1);
  const std::string file = std::filesystem::temp_directory_path() / ("receipt_fuzz." + std::to_string(random.u64()));
  std::filesystem::remove(file);
  auto ring = KeyRing::open(file, {}, random, 1'800'000'000);
  std::filesystem::remove(file);
  return ring ? std::move(*ring) : nullptr;
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto ring = make_ring();
  if (!ring) std::abort();
  (void)ring->open({reinterpret_cast<const char*>(data), size}).ok();
  return 0;
}
