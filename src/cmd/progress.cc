#include "cmd/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace sekisho::cmd {

Progress::Progress(std::string what, std::size_t all)
    : what_(std::move(what)), all_(all), shown_(::isatty(2) && all > 0) {}

Progress::~Progress() {
  if (!shown_) return;
  draw();
  std::fputc('\n', stderr);
}

void Progress::step() {
  ++done_;
  const auto now = std::chrono::steady_clock::now();
  if (!shown_ || now - drawn_ < std::chrono::milliseconds(100)) return;
  drawn_ = now;
  draw();
}

void Progress::draw() const {
  constexpr std::size_t kWidth = 40;
  const std::size_t full = all_ ? done_ * kWidth / all_ : kWidth;
  std::string bar(full, '#');
  bar.resize(kWidth, '.');
  std::fprintf(stderr, "\r%s [%s] %zu/%zu", what_.c_str(), bar.c_str(), done_, all_);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun_).count();
  const double rate = static_cast<double>(done_ - skipped_) / seconds;
  if (seconds > 2 && rate > 0) {
    const auto left = static_cast<unsigned long>(static_cast<double>(all_ - std::min(all_, done_)) / rate);
    std::fprintf(stderr, " %.0f/s, %lu:%02lu:%02lu left  ", rate, left / 3600, left / 60 % 60, left % 60);
  }
  std::fflush(stderr);
}

}  // namespace sekisho::cmd
