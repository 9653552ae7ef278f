#pragma once
// Unpredictable octets for ids, ports and keys. Injected so that the lab can repeat itself.
#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sekisho::core {

class Random {
 public:
  virtual ~Random() = default;
  virtual void fill(void* out, std::size_t size) = 0;  // thread-safe
  std::uint64_t u64() {
    std::uint64_t v;
    fill(&v, sizeof v);
    return v;
  }
};

// getrandom(2), read in blocks of 256 octets per thread.
class SystemRandom final : public Random {
 public:
  void fill(void* out, std::size_t size) override;
};

// splitmix64 from a seed: for tests and `sekisho lab --seed`, never in serve.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed) : state_(seed) {}
  void fill(void* out, std::size_t size) override;

 private:
  std::uint64_t state_;
};

// 128 bits: 48 of wall time in ms, 16 of the node, 64 random. Shown as 26 base32 letters; sorts by time.
struct TransactionId {
  std::array<std::uint8_t, 16> octets{};
  static TransactionId make(std::int64_t wall_ms, std::uint16_t node, Random& random);
  static std::optional<TransactionId> parse(std::string_view text);
  std::string text() const;
  auto operator<=>(const TransactionId&) const = default;
};

}  // namespace sekisho::core
