#pragma once
// Time is injected. Wall time is what the records and signatures speak of; steady time is for time-outs.
#include <chrono>
#include <cstdint>

namespace sekisho::core {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual std::int64_t now_us() const = 0;     // wall, microseconds since 1970-01-01 UTC
  virtual std::int64_t steady_ms() const = 0;  // never goes back
  std::int64_t now_s() const { return now_us() / 1'000'000; }
};

class SystemClock final : public Clock {
 public:
  std::int64_t now_us() const override {
    using namespace std::chrono;
    return duration_cast<microseconds>(system_clock::now().time_since_epoch()).count();
  }
  std::int64_t steady_ms() const override {
    using namespace std::chrono;
    return duration_cast<milliseconds>(steady_clock::now().time_since_epoch()).count();
  }
};

// For tests, `--now` and the lab: both clocks stand where they are put.
class FixedClock final : public Clock {
 public:
  explicit FixedClock(std::int64_t epoch_s) : us_(epoch_s * 1'000'000) {}
  std::int64_t now_us() const override { return us_; }
  std::int64_t steady_ms() const override { return us_ / 1000; }
  void advance_ms(std::int64_t ms) { us_ += ms * 1000; }

 private:
  std::int64_t us_;
};

}  // namespace sekisho::core
