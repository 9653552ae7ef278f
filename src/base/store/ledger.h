#pragma once
// The ledger: what happened, for good. Append-only segment files, one a day (UTC), chained by SHA-256, signed heads;
// the octets are described in docs/ledger_format.md. One process writes (exclusive lock); a thread of its own groups
// commits. Thread rule: all functions may be called from any thread; append() only on a thread that runs an io::Loop.
#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/core/clock.h"
#include "base/core/random.h"
#include "base/core/result.h"
#include "base/core/task.h"
#include "base/store/day.h"
#include "base/store/error.h"
#include "base/store/file_ops.h"

namespace sekisho::store {

// Record types below 16 are the ledger's own; so are field tags below 16. See docs/ledger_format.md.
constexpr std::uint16_t kTypeHead = 1, kTypeRetention = 2, kFirstFreeType = 16, kFirstFreeTag = 16;

struct Position {
  std::uint64_t seq = 0;  // 1 for the first record ever, then +1 each
  std::int32_t day = 0;   // days since 1970-01-01 UTC: the segment's day
  std::uint16_t part = 0;
  std::uint64_t offset = 0;
  auto operator<=>(const Position&) const = default;
};
struct Record {
  std::uint16_t type = 0;
  std::int64_t time_us = 0;  // wall; 0 = now
  std::string fields;        // see fields.h; at most 1,000,000 octets
};
struct Stored {
  Position at;
  std::int64_t time_us = 0;
  std::uint16_t type = 0;
  std::string fields;
};

enum class ProblemKind : std::uint8_t {
  kTornTail,        // the last record was never finished: cut at open and saved aside
  kDamaged,         // octets that are no record, with records behind them
  kUnreadable,      // the operating system could not read the file
  kSeqGap,          // records are missing between two that are there
  kBrokenChain,     // a record or segment does not follow from the one before it
  kBadSignature,    // a head or anchor is not signed by this ledger's key, or a noted end is damaged
  kMissingSegment,  // a day or part that must be there is not
  kBadAnchor,       // an anchor is missing, unreadable, or differs from its day
  kShortOfHead,     // the ledger ends before what was noted outside of it: the last signed head, the last commit
};
struct Problem {
  ProblemKind kind;
  std::string file;
  std::uint64_t offset = 0;
  std::string text;  // one plain sentence
};
std::string_view word(ProblemKind kind);
using Problems = std::vector<Problem>;

struct VerifyReport {
  std::uint64_t records = 0, heads = 0, anchors = 0, first_seq = 0, last_seq = 0;
  std::size_t segments = 0;
  std::uint64_t superseded_bytes = 0;  // octets left by failed writes, written again elsewhere
  Problems problems;
  Problems repaired;  // torn tails that were cut and saved when this process opened the ledger
  bool ok() const { return problems.empty(); }
};
struct ScanReport {
  std::uint64_t records = 0;
  Problems problems;  // what could not be read in the range asked for
};
// Gives true to go on.
using Visitor = std::function<bool(const Stored&)>;

struct LedgerSettings {
  std::string folder;                   // made when missing, 0700
  std::uint64_t head_records = 10'000;  // a signed head after so many records
  std::int64_t head_ms = 10'000;        // or so long after the first record behind the last head
  std::int64_t linger_us = 500;  // waiting for company before a commit, only with 8 or more waiting; at most 2000
  std::int64_t lazy_ms = 20;     // how long a lazy record may wait for an awaited one
  std::uint64_t min_free_bytes = 256ull << 20;  // below it short_of_disk() is true
  std::size_t max_queue_bytes = 64ull << 20;    // beyond it append fails and lazy records are counted as lost
  // Called on the writer's thread with each durable batch before its appenders are resumed. Must not call the ledger.
  std::function<void(std::vector<Stored>)> on_commit;
  FileOps* files = &FileOps::system();
  core::Clock* clock = nullptr;  // nullptr: the system's
  core::Random* random = nullptr;
};
struct LedgerCounts {
  std::uint64_t commits = 0, records = 0, bytes = 0, failed_commits = 0, rewrites = 0, lost_lazy = 0;
  bool failing = false;      // the last commit could not be made
  std::string last_failure;  // of a commit: file, offset, reason; stays when it is over
};

class Ledger {
 public:
  // Takes the lock, makes keys and folder at first start, looks through the last segment, cuts a torn tail (saved aside
  // in saved/) and tells it in open_problems(). Damage never keeps the ledger from opening; only lock, keys and disk
  // do.
  static core::Result<std::unique_ptr<Ledger>, StoreError> open(LedgerSettings settings);
  // Commits what waits and signs a closing head. All awaited appends must have been resumed: stop the loops after it,
  // or drain first.
  ~Ledger();
  const Problems& open_problems() const;

  // Durable when it returns. Records of one thread keep their order, lazy ones included.
  core::Task<core::Result<Position, StoreError>> append(Record record);
  // Durable with the next commit, at the latest lazy_ms later; a record whose commit fails waits for the next.
  void append_lazy(Record record);
  core::Result<Position, StoreError> append_now(Record record);  // for tools and tests: blocks
  void flush();  // blocks until what was appended before is durable or has failed

  core::Result<Stored, StoreError> read(const Position& at) const;  // checks the record's chain; kDamaged, kNotFound
  // All durable records behind `after` in order ({}: all there are). Octets before it are not read.
  ScanReport scan(const Position& after, const Visitor& visit) const;
  VerifyReport verify() const;
  // Who has it open, in a sentence that says what to do; "" when nobody has.
  static std::string holder(const std::string& folder);
  // The same for a ledger nobody has open (takes the lock, changes nothing).
  static core::Result<VerifyReport, StoreError> verify_folder(const std::string& folder);
  static core::Result<ScanReport, StoreError> scan_folder(const std::string& folder, const Visitor& visit);

  // Unlinks whole days before first_kept_day (never the one being written) with their recipient-hash keys. Where the
  // wall clock has leapt (see doubted_days) that many days more are kept.
  core::Result<std::vector<std::string>, StoreError> retain(std::int32_t first_kept_day);
  // Keyed hash of a recipient under the key of the day of time_us. make: for recording; without: for asking (nothing
  // when the day's key is gone or never was).
  std::optional<std::array<char, 16>> recipient_hash(std::int64_t time_us, std::string_view address, bool make);

  // By how many days the wall clock leapt ahead of what the ledger's days show; 0: it is believed. A leap of more than
  // 14 days is believed when records were written on 7 days behind it.
  std::int32_t doubted_days() const;

  bool short_of_disk() const;  // looks at most once a second
  std::uint64_t last_seq() const;
  std::uint64_t first_seq() const;  // the oldest record kept: 0 when there is none
  LedgerCounts counts() const;

 private:
  struct Impl;
  explicit Ledger(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sekisho::store
