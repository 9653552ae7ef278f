#pragma once
// The trail: what happened to each mail, recorded in the ledger and found again. It owns the ledger and the index over
// it; a thread of its own keeps the index, which can be thrown away at any time (the folder) and is rebuilt from the
// ledger. Thread rule: any thread; Tasks on a thread that runs an io::Loop.
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/core/task.h"
#include "base/store/ledger.h"
#include "trail/event.h"

namespace sekisho::io {
class Pool;
}

namespace sekisho::trail {

struct TrailSettings {
  store::LedgerSettings ledger;  // its on_commit is the trail's
  std::string index_folder;
  bool plain_recipients = false;  // keep recipient addresses beside their hashes
  bool reason_required = false;   // queries by address, IP or Message-ID must say why
  std::uint64_t checkpoint_records = 20'000;
  std::int64_t checkpoint_ms = 10'000;
  io::Pool* pool = nullptr;  // for find; nullptr: on the caller's thread
};

// All that is given must hold. At least one of them, or a time range, must be given.
struct Query {
  std::optional<TransactionId> transaction;  // or session
  std::optional<std::string> message_id;     // with or without angle brackets
  std::optional<std::string> queue_id;       // the next hop's
  std::optional<std::string> mail_from;      // "" is the null return path
  std::optional<std::string> rcpt_to;
  std::optional<core::IpAddress> client_ip;
  std::optional<std::uint16_t> client_port;     // with client_ip
  std::optional<std::string> domain;            // of mail_from, author, or a method that passed
  std::optional<Digest> digest;                 // SHA-256 of the message
  std::int64_t from_us = 0, to_us = INT64_MAX;  // wall, both inclusive
  std::size_t limit = 100;
};

struct Told {
  store::Position at;
  std::int64_t time_us = 0;
  Event event;
};
enum class StoryState : std::uint8_t {
  kPending,    // decided, the outcome has not come yet
  kUnknown,    // no outcome was recorded before a crash, or no answer came to the dot: the next hop may have it or not
  kDelivered,  // the next hop has taken it
  kNotDelivered,  // refused, deferred, or not taken by the next hop
  kRefused,       // refused before DATA: no mail was ever there
  kSession,       // nothing but the session is known
};
std::string_view word(StoryState state);  // "pending" "unknown" "delivered" "not_delivered" "refused" "session"

struct Story {
  TransactionId id;  // of the transaction; of the session where no mail was there
  StoryState state = StoryState::kSession;
  std::int64_t time_us = 0;        // of its first event
  std::vector<Told> events;        // in their order: decided, outcome, refused, session ...
  const Decided* decided() const;  // nullptr when there is none; these view events
  const Outcome* outcome() const;
};
struct Found {
  std::vector<Story> stories;  // newest first
  bool more = false;           // the limit cut it
  bool complete = true;        // false: the index is still being rebuilt
  // Records that belong here but could not be read, and what else of the ledger cannot; with file and offset.
  std::vector<std::string> problems;
};
enum class TrailError : std::uint8_t {
  kReasonRequired,  // the setting wants a reason and there is none
  kNothingAsked,    // no key and no time range
  kIndex,           // the index cannot be read; it is rebuilt at the next start
};
std::string_view word(TrailError error);

class Trail {
 public:
  static core::Result<std::unique_ptr<Trail>, store::StoreError> open(TrailSettings settings);
  ~Trail();  // after all Tasks of it have ended

  // Stamps the time, hashes the recipients (address -> hash) and appends; durable when it returns.
  core::Task<core::Result<store::Position, store::StoreError>> record(Event event);
  void record_lazy(Event event);  // in order, durable with the next commit
  core::Result<store::Position, store::StoreError> record_now(const Event& event);  // blocks

  // A query sees every record that was durable before it was asked. It is itself recorded, with its reason.
  core::Task<core::Result<Found, TrailError>> find(Query query, std::string reason, std::string by_whom);
  core::Result<Found, TrailError> find_now(const Query& query, const std::string& reason, const std::string& by_whom);

  // Ledger::retain, and the index forgets with it.
  core::Result<std::vector<std::string>, store::StoreError> retain(std::int32_t first_kept_day);
  store::Ledger& ledger();
  std::uint64_t indexed_seq() const;                // of the last record that queries see
  const std::vector<std::string>& reports() const;  // what opening found: ledger problems, index thrown away

 private:
  struct Impl;
  explicit Trail(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sekisho::trail
