// Any octets as a key record and, when they are one, as a key that is used.
// covers: record.cc key.cc
#include "road/identity/signature/key.h"

using namespace sekisho;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  core::Budget budget;
  const auto record = signature::KeyRecord::parse({reinterpret_cast<const char*>(data), size}, budget);
  if (!record) return 0;
  const auto key = signature::PublicKey::load(record->type, record->key);
  if (!key) return 0;
  const std::size_t octets = record->type == signature::KeyType::kRsa ? (*key)->bits() / 8 : 64;
  (void)(*key)->verify(signature::Hash::kSha256, std::string(32, 'd'), std::string(octets, 's'));
  return 0;
}
