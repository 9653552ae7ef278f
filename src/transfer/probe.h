#pragma once
// Asks the next hop whether it takes a recipient, without sending anything, and remembers what it said.
#include <string>
#include <unordered_map>

#include "transfer/session_pool.h"

namespace sekisho::transfer {

// Answers that are true until a moment; bounded. One for yes and one for no, so that guessed names cannot push out real
// ones.
class AnswerCache {
 public:
  explicit AnswerCache(std::int64_t keep_ms) : keep_ms_(keep_ms) {}
  const ProbeAnswer* find(const std::string& rcpt);
  void insert(const std::string& rcpt, const ProbeAnswer& answer);

 private:
  struct Entry {
    std::int64_t until_ms;
    ProbeAnswer answer;
  };
  std::int64_t keep_ms_;
  std::unordered_map<std::string, Entry> entries_;
};

class Prober {
 public:
  Prober(std::shared_ptr<const Options> options, std::shared_ptr<SessionPool> sessions, std::shared_ptr<Stats> stats);
  core::Task<ProbeAnswer> probe(std::string rcpt);
  // Without the memory. reached: told whether there was a session at all; owned by the caller, may be null.
  core::Task<ProbeAnswer> ask(std::string rcpt, bool* reached = nullptr);

 private:
  core::Task<core::Result<ProbeAnswer, Failure>> ask_on(SessionPool::Lease& lease, const std::string& rcpt);

  std::shared_ptr<const Options> options_;
  std::shared_ptr<SessionPool> sessions_;
  std::shared_ptr<Stats> stats_;
  AnswerCache yes_, no_;
};

}  // namespace sekisho::transfer
