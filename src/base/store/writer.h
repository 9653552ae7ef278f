#pragma once
// The ledger's writing side: one thread that turns what waits into commits. Private to base/store.
#include <condition_variable>
#include <coroutine>
#include <mutex>
#include <thread>

#include "base/store/catalog.h"
#include "base/store/tip.h"

namespace sekisho::io {
class Loop;
}

namespace sekisho::store {

using Appended = core::Result<Position, StoreError>;

// Somebody who wants to know. With a loop: handle is resumed there; without: done is set under the writer's mutex.
struct Waiter {
  io::Loop* loop = nullptr;
  std::coroutine_handle<> handle;
  std::optional<Appended> result;
  bool done = false;
};

// Where the ledger ends, for readers.
struct Committed {
  std::optional<SegmentName> segment;  // nothing: no segment yet
  std::uint64_t end = 0, last_seq = 0;
};

class Writer {
 public:
  struct Start {
    std::optional<SegmentName> segment;  // the last one: is continued on its own day
    bool appendable = false;             // its end is whole: it may be continued
    std::uint64_t end = 0, last_seq = 0;
    Chain chain{};
  };
  Writer(const Catalog& catalog, const Signer& signer, const LedgerSettings& settings, core::Clock& clock,
         DayKeys& day_keys, const Start& start);
  ~Writer();  // commits, signs a closing head

  // False when it is refused at once; the waiter, if any, has its result then and is not resumed.
  bool enqueue(Record record, Waiter* waiter);
  Appended wait_for(Record record);
  void flush();
  Committed committed() const;
  LedgerCounts counts() const;

 private:
  struct Pending {
    Record record;
    Waiter* waiter;
  };
  using Failure = std::optional<StoreError>;
  // What the thread waits for; enqueue wakes it only when that has come.
  enum class Waits : std::uint8_t { kBusy, kAny, kAwaited, kCompany };

  void run();
  bool wait_for_work(std::unique_lock<std::mutex>& lock);  // false: stopping and nothing left
  void commit(std::vector<Pending>& batch);
  Failure try_commit(const std::vector<Pending>& batch, std::vector<Stored>& stored);
  void publish(std::vector<Pending>& batch, std::vector<Stored>& stored);
  void fail(std::vector<Pending>& batch, const StoreError& error);
  void resume(std::vector<Pending>& batch);
  // writer_segment.cc: the files
  Failure ensure_segment(std::int32_t day, std::vector<Stored>& stored);
  Failure open_part(std::int32_t day, std::vector<Stored>& stored);
  Failure continue_last();
  Failure write_and_sync();
  void reserve();
  void add_record(const FrameFacts& facts, std::string_view fields, std::vector<Stored>& stored);
  void add_head(int kind, std::vector<Stored>& stored);
  bool head_due() const;
  void accept();   // what was built is durable now
  void abandon();  // the segment takes nothing any more
  void finish_day();
  void close_segment();
  void note_head(bool durable);

  const Catalog& catalog_;
  const Signer& signer_;
  const LedgerSettings& settings_;
  core::Clock& clock_;
  DayKeys& day_keys_;
  FileOps& files_;

  // The writer thread's own: the durable end, and the commit being built on it.
  struct End {
    std::uint64_t offset = 0, seq = 0;
    Chain chain{};
  };
  std::optional<SegmentName> segment_;  // the last one with durable records
  std::optional<SegmentName> opening_;  // a new one without any yet
  int fd_ = -1;
  bool appendable_ = false;
  std::int32_t finished_day_ = INT32_MIN;
  End durable_, building_;
  std::string buffer_;  // to be written at write_at_
  std::uint64_t write_at_ = 0;
  std::uint64_t reserved_ = 0;  // up to here zeros were written, or there was no room for them
  ChainHasher hasher_;
  TipFile tip_;
  std::uint64_t head_seq_ = 0;          // seq of the last durable head
  std::int64_t unsigned_since_us_ = 0;  // since when durable records are behind it; 0 = none are
  std::uint64_t built_head_seq_ = 0;    // of the last head in buffer_
  bool backing_off_ = false;
  bool busy_lately_ = false;  // the last commit was not long ago: lazy records need not wake us

  mutable std::mutex mutex_;
  std::condition_variable work_, done_;
  std::vector<Pending> queue_;
  std::size_t queue_bytes_ = 0, waiting_ = 0;
  Waits waits_ = Waits::kBusy;
  bool stopping_ = false, flushing_ = false;
  Committed committed_;
  LedgerCounts counts_;
  std::thread thread_;
};

}  // namespace sekisho::store
