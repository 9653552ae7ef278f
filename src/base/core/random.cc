#include "base/core/random.h"

#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/core/text.h"

namespace sekisho::core {

void SystemRandom::fill(void* out, std::size_t size) {
  thread_local std::uint8_t pool[256];
  thread_local std::size_t used = sizeof pool;
  auto* to = static_cast<std::uint8_t*>(out);
  while (size > 0) {
    if (used == sizeof pool) {
      while (getrandom(pool, sizeof pool, 0) != static_cast<ssize_t>(sizeof pool))
        if (errno != EINTR) std::abort();
      used = 0;
    }
    const std::size_t n = std::min(size, sizeof pool - used);
    std::memcpy(to, pool + used, n);
    std::memset(pool + used, 0, n);
    used += n, to += n, size -= n;
  }
}

void SeededRandom::fill(void* out, std::size_t size) {
  auto* to = static_cast<std::uint8_t*>(out);
  while (size > 0) {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15ull;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    z ^= z >> 31;
    const std::size_t n = std::min(size, sizeof z);
    std::memcpy(to, &z, n);
    to += n, size -= n;
  }
}

TransactionId TransactionId::make(std::int64_t wall_ms, std::uint16_t node, Random& random) {
  TransactionId id;
  for (std::size_t i = 0; i < 6; ++i) id.octets[i] = static_cast<std::uint8_t>(wall_ms >> (40 - 8 * i));
  id.octets[6] = static_cast<std::uint8_t>(node >> 8);
  id.octets[7] = static_cast<std::uint8_t>(node);
  random.fill(id.octets.data() + 8, 8);
  return id;
}

std::optional<TransactionId> TransactionId::parse(std::string_view text) {
  const auto octets = unbase32(text);
  if (!octets || text.size() != 26 || octets->size() != 16) return {};
  TransactionId id;
  std::copy(octets->begin(), octets->end(), reinterpret_cast<char*>(id.octets.data()));
  return id;
}

std::string TransactionId::text() const {
  return base32({reinterpret_cast<const char*>(octets.data()), octets.size()});
}

}  // namespace sekisho::core
