#pragma once
// How late the loops are. Nothing on a loop may take longer than 5 ms; a timer that comes late tells when something
// did.
#include <atomic>
#include <cstdint>
#include <string>

#include "base/core/task.h"

namespace sekisho::cmd {

// Shared by all loops; thread-safe.
class LagMeter {
 public:
  static constexpr std::int64_t kLookMs = 50;
  static constexpr std::int64_t kToldMs = 100;      // from here on the log is told ...
  static constexpr std::int64_t kPauseMs = 60'000;  // ... once a minute and loop
  void note(std::int64_t lag_ms);
  std::int64_t take_recent_ms() { return recent_.exchange(0, std::memory_order_relaxed); }  // since this was last asked
 private:
  std::atomic<std::int64_t> recent_{0};
};

// Measures the loop it runs on until that loop stops. The meter outlives it.
core::Task<void> measure_lag(LagMeter& meter, std::size_t loop);

}  // namespace sekisho::cmd
