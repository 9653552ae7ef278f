#pragma once
// The thread that keeps the index: takes committed records, makes entries, writes them in checkpoints. Until a
// checkpoint its entries are held in memory, where find looks too. Private to trail.
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "base/store/index.h"
#include "base/store/ledger.h"
#include "trail/projection.h"

namespace sekisho::trail {

class Projector {
 public:
  struct Limits {
    std::uint64_t checkpoint_records;
    std::int64_t checkpoint_ms;
  };
  explicit Projector(const Limits& limits) : limits_(limits) {}
  ~Projector();

  void take(std::vector<store::Stored> records);  // any thread; from the ledger's commits
  // Opens the index (thrown away when damaged or ahead of the ledger, told in reports) and starts the thread.
  core::Result<void, store::StoreError> start(const store::Ledger& ledger, const std::string& folder,
                                              std::vector<std::string>& reports);
  void stop();

  // Waits until records up to seq are seen by find(); false when that took too long.
  // Meanwhile nothing is gathered: what comes is applied at once.
  bool wait_for(std::uint64_t seq, std::int64_t timeout_ms);
  std::uint64_t applied_seq() const;
  store::Problems problems() const;  // what it could not read of the ledger: no query can find it
  // Newest first by time within memory, then within the index; an entry may come twice.
  core::Result<void, store::StoreError> find(Key key, const IndexValue& value, std::int64_t from_us, std::int64_t to_us,
                                             const std::function<bool(const store::IndexEntry&)>& visit) const;
  void expire_below(std::uint64_t seq) { index_->expire_below(seq); }

 private:
  void run();
  void catch_up();
  void apply_records(const std::vector<store::Stored>& records);
  void checkpoint();
  bool checkpoint_due() const;

  Limits limits_;
  const store::Ledger* ledger_ = nullptr;
  std::unique_ptr<store::Index> index_;

  mutable std::mutex mutex_;
  std::condition_variable work_, applied_changed_;
  std::vector<store::Stored> queue_;
  bool overflow_ = false;  // the queue was too long: read the ledger instead
  bool stopping_ = false;
  bool asleep_ = false;                               // the first record wakes the thread; else it comes by itself
  std::size_t askers_ = 0;                            // in wait_for
  std::vector<store::IndexEntry> pending_, writing_;  // made but not yet, or just being, written
  store::Position applied_;
  std::uint64_t unwritten_records_ = 0;  // behind the last checkpoint
  bool failed_ = false;                  // the last checkpoint was not taken
  bool held_up_ = false;                 // and memory holds as much as it may
  std::int64_t checkpoint_at_ms_ = 0;
  store::Problems problems_;
  std::thread thread_;
};

}  // namespace sekisho::trail
