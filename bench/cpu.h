#pragma once
// CPU of this process, and the best of several rounds of a piece of work.
#include <algorithm>
#include <ctime>

inline double cpu_us() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

// The best of several rounds: what the machine can do when nobody disturbs it.
template <class Work>
double best_us(int count, Work work) {
  double best = 1e18;
  for (int round = 0; round < 15; ++round) {
    const double start = cpu_us();
    for (int i = 0; i < count; ++i) work();
    best = std::min(best, (cpu_us() - start) / count);
  }
  return best;
}
