#pragma once
// Partial answers. SMTP gives one reply for all recipients; when a next hop served only some of them, those are
// remembered here durably, the client gets 451, and at its retry the served ones are skipped. Kept for 5 days in one
// append-only file; a torn last line is dropped. Thread-safe. remember() writes and syncs: call it on a pool.
#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"

namespace sekisho::partial {

// A delivery: who sent what to whom. digest is the SHA-256 of the message as it came.
using Key = std::array<char, 32>;
Key key_of(std::string_view mail_from, std::string_view rcpt_to, std::string_view digest);

class Memory {
 public:
  static core::Result<std::unique_ptr<Memory>, std::string> open(const std::string& file, std::int64_t now_s);
  ~Memory();
  bool served(const Key& key, std::int64_t now_s) const;
  core::Result<void, std::string> remember(const std::vector<Key>& keys, std::int64_t now_s);
  bool empty() const;  // nothing is remembered: the usual case, asked without a lock

 private:
  struct Impl;
  explicit Memory(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Deliveries of which nobody knows whether the next hop took them (RFC 1047): the client was told 451. When the same
// mail comes again it is sent again, because a duplicate is better than a loss; here it is known for what it is.
// In memory, the newest `most` of them. Thread-safe.
class Doubts {
 public:
  explicit Doubts(std::size_t most = 10'000) : most_(most) {}
  void add(const Key& key);
  bool take(const Key& key);  // true once for each that was added

 private:
  std::size_t most_;
  std::mutex mutex_;
  std::set<Key> keys_;
  std::deque<Key> order_;
};

}  // namespace sekisho::partial
