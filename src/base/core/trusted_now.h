#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

namespace sekisho::core {

// What retention may take for now. A clock that was set years ahead must not have everything destroyed that is kept for
// a time. `marks` are moments at which we were at work, rising; where they leap by more than `gap` and fewer than
// `proof` of them (now counted) lie behind the leap, only the time before it is believed.
inline std::int64_t trusted_now(std::span<const std::int64_t> marks, std::int64_t now, std::int64_t gap,
                                std::size_t proof) {
  std::size_t behind = 1;
  for (std::size_t i = marks.size(); i > 0; --i) {
    if (marks[i - 1] >= now) continue;  // of a time when the clock ran ahead, or now itself
    const std::int64_t next = i < marks.size() && marks[i] < now ? marks[i] : now;
    if (next - marks[i - 1] > gap && behind < proof) return trusted_now(marks.first(i), marks[i - 1], gap, proof);
    ++behind;
  }
  return now;
}

}  // namespace sekisho::core
