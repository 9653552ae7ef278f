// Whatever is read is written the same way again; a PEM of any octets gives a key or a reason.
// covers: rotation_state.cc
#include <cstdlib>

#include "road/identity/signature/key.h"
#include "road/identity/signing/rotation.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto state = sekisho::signing::RotationState::parse(text); state && state->format() != text) std::abort();
  static_cast<void>(sekisho::signature::PrivateKey::load(text));
  return 0;
}
