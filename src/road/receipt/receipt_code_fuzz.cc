// Any text opens or is refused; what was sealed opens as it was, and not when a letter is changed.
// covers: code.cc
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
  using namespace sekisho;
  static const auto ring = make_ring();
  if (!ring) std::abort();
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)ring->open(text).ok();
  if (size < 12) return 0;
  // A statement of the input's making opens as it was sealed, for its sender; with one letter changed it does not.
  const auto at = [data](std::size_t i) { return std::uint32_t{data[i]}; };
  const receipt::Statement said{1'767'225'600 + (at(0) << 16 | at(1) << 8 | at(2)),
                                static_cast<std::uint8_t>(at(3) & 15), static_cast<std::uint8_t>(at(4) & 15),
                                at(5) << 16 | at(6) << 8 | at(7)};
  const receipt::Sender sender{core::IpAddress::v4(at(8) << 24 | at(9)), std::string(text.substr(12))};
  std::string code = ring->seal(said, sender);
  const auto opened = ring->open(code);
  if (!opened || !(opened->statement == said) || !ring->belongs_to(*opened, sender)) std::abort();
  char& letter = code[at(10) % code.size()];
  letter = letter == 'a' ? 'b' : 'a';
  if (ring->open(code).ok()) std::abort();
  return 0;
}
