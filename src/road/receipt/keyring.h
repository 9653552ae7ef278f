#pragma once
// Private to the room.
#include "base/crypto/crypto.h"
#include "road/receipt/receipt.h"

namespace sekisho::receipt {

struct KeyRing::Key {
  std::uint8_t id = 0;
  std::int64_t created_s = 0;
  std::int64_t replaced_s = 0;  // 0: it is the one that seals
  std::string secret;           // 32 octets
};

}  // namespace sekisho::receipt
