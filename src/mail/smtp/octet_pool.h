#pragma once
// The octets all messages in RAM may hold together. Leases are taken before memory grows and given back by their
// destructor.
#include <atomic>
#include <cstdint>
#include <utility>

namespace sekisho::smtp {

// Thread-safe; outlives its leases.
class OctetPool {
 public:
  explicit OctetPool(std::uint64_t limit) : limit_(limit) {}
  bool take(std::uint64_t octets) {
    const std::uint64_t before = used_.fetch_add(octets, std::memory_order_relaxed);
    if (before + octets <= limit()) return true;
    used_.fetch_sub(octets, std::memory_order_relaxed);
    refused_.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  void give(std::uint64_t octets) { used_.fetch_sub(octets, std::memory_order_relaxed); }
  std::uint64_t used() const { return used_.load(std::memory_order_relaxed); }
  std::uint64_t limit() const { return limit_.load(std::memory_order_relaxed); }
  // Below what is in use: nothing is taken back, and nothing new is given until enough has come back.
  void set_limit(std::uint64_t limit) { limit_.store(limit, std::memory_order_relaxed); }
  std::uint64_t refused() const { return refused_.load(std::memory_order_relaxed); }  // how often take() said no

 private:
  std::atomic<std::uint64_t> limit_;
  std::atomic<std::uint64_t> used_{0}, refused_{0};
};

class OctetLease {
 public:
  explicit OctetLease(OctetPool* pool = nullptr) : pool_(pool) {}
  OctetLease(OctetLease&& other) noexcept : pool_(other.pool_), held_(std::exchange(other.held_, 0)) {}
  OctetLease& operator=(OctetLease&& other) noexcept {
    if (this != &other) {
      release();
      pool_ = other.pool_;
      held_ = std::exchange(other.held_, 0);
    }
    return *this;
  }
  ~OctetLease() { release(); }
  // False when the pool has not that much left; what is held stays held.
  bool grow_to(std::uint64_t octets) {
    if (octets <= held_) return true;
    if (pool_ && !pool_->take(octets - held_)) return false;
    held_ = octets;
    return true;
  }
  void release() {
    if (pool_ && held_) pool_->give(held_);
    held_ = 0;
  }

 private:
  OctetPool* pool_;
  std::uint64_t held_ = 0;
};

}  // namespace sekisho::smtp
