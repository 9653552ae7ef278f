#pragma once
// Inner header: read buffers of 16 KiB, borrowed from the thread's free list only while octets are in hand.
#include <cstddef>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace sekisho::session {

class Buffer {
 public:
  static constexpr std::size_t kSize = 16384;

  Buffer() = default;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { release(); }

  std::span<char> borrow() {
    if (!block_) {
      auto& free = free_blocks();
      if (free.empty()) {
        block_ = std::make_unique_for_overwrite<char[]>(kSize);
      } else {
        block_ = std::move(free.back());
        free.pop_back();
      }
    }
    return {block_.get(), kSize};
  }
  void release() {
    if (!block_) return;
    if (auto& free = free_blocks(); free.size() < kKept) {
      free.push_back(std::move(block_));
    } else {
      block_.reset();
    }
  }

 private:
  static constexpr std::size_t kKept = 64;
  static std::vector<std::unique_ptr<char[]>>& free_blocks() {
    thread_local std::vector<std::unique_ptr<char[]>> blocks;
    return blocks;
  }
  std::unique_ptr<char[]> block_;
};

}  // namespace sekisho::session
