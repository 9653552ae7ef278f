#pragma once
// What one mail (or one connection) may still cost. It goes with the mail into every parser; when it is empty the
// parser answers "too complex": never a crash, never a stalled loop. One thread at a time; values only fall.
#include <cstdint>

namespace sekisho::core {

struct Budget {
  std::uint64_t steps = 50'000'000;    // CPU steps: roughly one per octet looked at or per small piece of work
  std::uint64_t octets = 64ull << 20;  // memory the mail's derived data may take
  std::uint32_t dns_queries = 100;     // look-ups that leave the process (cache hits are free)
  std::uint32_t parts = 10'000;        // header fields, addresses, tags ... each costs one
  std::uint32_t depth = 50;            // nesting of comments, groups, includes

  // Takes n; false when it is not there any more (then it is empty for good).
  template <class N>
  static bool take(N& left, std::uint64_t n) {
    if (left < n) return left = 0, false;
    left -= static_cast<N>(n);
    return true;
  }
  bool take_steps(std::uint64_t n) { return take(steps, n); }
  bool take_octets(std::uint64_t n) { return take(octets, n); }
  bool take_query() { return take(dns_queries, 1); }
  bool take_part(std::uint64_t n = 1) { return take(parts, n); }
};

}  // namespace sekisho::core
