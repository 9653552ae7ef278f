#pragma once
// A progress bar on standard error, only where a person looks at it; silent otherwise.
#include <chrono>
#include <cstddef>
#include <string>

namespace sekisho::cmd {

class Progress {
 public:
  Progress(std::string what, std::size_t all);
  ~Progress();
  void step();
  void skip(std::size_t done) { done_ = skipped_ = done; }  // done by an earlier run

 private:
  void draw() const;
  std::string what_;
  std::size_t all_, done_ = 0, skipped_ = 0;
  bool shown_;
  std::chrono::steady_clock::time_point drawn_{}, begun_ = std::chrono::steady_clock::now();
};

}  // namespace sekisho::cmd
