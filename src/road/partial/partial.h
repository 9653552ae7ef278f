#pragma once
// Partial answers. SMTP gives one reply for all recipients; when a next hop served only some of them, those are
// remembered here durably, the client gets 451, and at its retry the served ones are skipped. Kept for 5 days in one
// append-only file; a torn last line is dropped. Thread-safe. remember() writes and syncs: call it on a pool.
#include <array>
#include <cstdint>
#include <memory>
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

}  // namespace sekisho::partial
