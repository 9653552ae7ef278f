#pragma once
// Part of the room's door (verdict.h): since when the DNS of a domain fails for a network.
#include <cstdint>
#include <list>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "base/core/ip_address.h"

namespace sekisho::verdict {

// When a network first met a temporary fault of a domain. Bounded (least recently used go first), thread-safe, in RAM;
// text() and read() carry it over a restart, or a sender who waits four hours would wait from the start again.
class TempErrorMemory {
 public:
  explicit TempErrorMemory(std::size_t most = 50'000, std::int64_t forget_s = 24 * 3600);
  // Seconds since the first fault of (network of ip: /24 or /64, domain); 0 the first time, and again after a pause of
  // forget_s.
  std::int64_t age_s(const core::IpAddress& ip, const std::string& domain, std::int64_t now_s);
  void resolved(const core::IpAddress& ip, const std::string& domain);  // the next fault counts from zero
  std::size_t size() const;

  // Lines "first last network domain", the least recently used one first; without what is forgotten by now_s.
  std::string text(std::int64_t now_s) const;
  void read(std::string_view text, std::int64_t now_s);  // a line that is none of ours is passed over
  // Rises with every change that text() would show.
  std::uint64_t changes() const;

 private:
  struct Entry {
    std::int64_t first_s, last_s;
    std::list<std::string>::iterator place;
  };
  std::size_t most_;
  std::int64_t forget_s_;
  mutable std::mutex mutex_;
  std::list<std::string> order_;  // most recently used first
  std::map<std::string, Entry> entries_;
  std::uint64_t changes_ = 0;
};

}  // namespace sekisho::verdict
