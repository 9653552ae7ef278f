#include "cmd/lag.h"

#include <algorithm>

#include "base/io/io.h"
#include "base/log/log.h"

namespace sekisho::cmd {

void LagMeter::note(std::int64_t lag_ms) {
  std::int64_t seen = recent_.load(std::memory_order_relaxed);
  while (seen < lag_ms && !recent_.compare_exchange_weak(seen, lag_ms, std::memory_order_relaxed)) {
  }
}

core::Task<void> measure_lag(LagMeter& meter, std::size_t loop) {
  std::int64_t told_ms = -LagMeter::kPauseMs;
  for (;;) {
    const std::int64_t due_ms = io::now_ms() + LagMeter::kLookMs;
    const auto slept = co_await io::sleep_until(due_ms);
    if (!slept) co_return;
    const std::int64_t now_ms = io::now_ms();
    const std::int64_t lag_ms = std::max<std::int64_t>(now_ms - due_ms, 0);
    meter.note(lag_ms);
    if (lag_ms < LagMeter::kToldMs || now_ms - told_ms < LagMeter::kPauseMs) continue;
    told_ms = now_ms;
    log::write<log::Event::k_loop_lag>(loop, lag_ms);
  }
}

}  // namespace sekisho::cmd
