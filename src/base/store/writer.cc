#include "base/store/writer.h"

#include <algorithm>
#include <chrono>

#include "base/io/io.h"

namespace sekisho::store {

namespace {
constexpr std::size_t kLingerFrom = 8, kLingerEnough = 256;
constexpr std::size_t kMaxFields = 1'000'000;
constexpr auto kBackOff = std::chrono::seconds(1);
}  // namespace

Writer::Writer(const Catalog& catalog, const Signer& signer, const LedgerSettings& settings, core::Clock& clock,
               DayKeys& day_keys, const Start& start)
    : catalog_(catalog),
      signer_(signer),
      settings_(settings),
      clock_(clock),
      day_keys_(day_keys),
      files_(*settings.files),
      segment_(start.segment),
      appendable_(start.appendable),
      durable_{start.end, start.last_seq, start.chain},
      hasher_(catalog.identity().salt),
      tip_(files_, catalog),
      head_seq_(start.last_seq) {
  committed_ = {segment_, durable_.offset, durable_.seq};
  thread_ = std::thread([this] { run(); });
}

Writer::~Writer() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  work_.notify_one();
  thread_.join();
}

bool Writer::enqueue(Record record, Waiter* waiter) {
  bool wake;
  {
    const std::lock_guard lock(mutex_);
    const std::size_t size = record.fields.size() + sizeof(Pending);
    std::optional<StoreError> refused;
    if (record.fields.size() > kMaxFields)
      refused = StoreError{StoreErrorKind::kTooLarge, {}, 0, 0, "one record"};
    else if (record.type < kFirstFreeType && record.type != kTypeRetention)
      refused = StoreError{StoreErrorKind::kDamaged, {}, 0, 0, "the record's type belongs to the ledger itself"};
    else if (stopping_)
      refused = StoreError{StoreErrorKind::kClosed, {}, 0, 0, {}};
    else if (queue_bytes_ + size > settings_.max_queue_bytes)
      refused = StoreError{StoreErrorKind::kTooLarge, {}, 0, 0, "too many records wait for the disk"};
    if (refused) {
      if (waiter)
        waiter->result = core::error(std::move(*refused));
      else
        ++counts_.lost_lazy;
      return false;
    }
    queue_bytes_ += size;
    if (waiter) ++waiting_;
    queue_.push_back({std::move(record), waiter});
    wake = waits_ == Waits::kAny || (waits_ == Waits::kAwaited && waiter) ||
           (waits_ == Waits::kCompany && waiting_ >= kLingerEnough);
    if (wake) waits_ = Waits::kBusy;
  }
  if (wake) work_.notify_one();
  return true;
}

Appended Writer::wait_for(Record record) {
  Waiter waiter;
  if (!enqueue(std::move(record), &waiter)) return std::move(*waiter.result);
  std::unique_lock lock(mutex_);
  done_.wait(lock, [&] { return waiter.done; });
  return std::move(*waiter.result);
}

void Writer::flush() {
  std::unique_lock lock(mutex_);
  const auto failures = counts_.failed_commits;
  flushing_ = true;
  work_.notify_one();
  done_.wait(lock, [&] { return !flushing_ || counts_.failed_commits != failures; });
}

Committed Writer::committed() const {
  const std::lock_guard lock(mutex_);
  return committed_;
}

LedgerCounts Writer::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

void Writer::run() {
  std::vector<Pending> batch;
  std::unique_lock lock(mutex_);
  while (wait_for_work(lock)) {
    batch.swap(queue_);
    queue_bytes_ = 0;
    waiting_ = 0;
    lock.unlock();
    commit(batch);
    batch.clear();
    lock.lock();
  }
  lock.unlock();
  close_segment();
}

bool Writer::wait_for_work(std::unique_lock<std::mutex>& lock) {
  using namespace std::chrono;
  const auto urgent = [this] { return stopping_ || flushing_; };
  if (queue_.empty() && flushing_) flushing_ = false, done_.notify_all();
  bool looked_late = false;
  if (queue_.empty() && !urgent() && std::exchange(busy_lately_, false)) {
    waits_ = Waits::kAwaited;
    work_.wait_for(lock, milliseconds(settings_.lazy_ms), [&] { return urgent() || waiting_ != 0; });
    looked_late = true;
  }
  if (queue_.empty() && !stopping_) {
    looked_late = false;
    waits_ = Waits::kAny;
    const auto something = [&] { return urgent() || !queue_.empty(); };
    if (unsigned_since_us_ != 0)
      work_.wait_for(lock, milliseconds(settings_.head_ms), something);
    else
      work_.wait(lock, something);
  }
  // After a failed commit only somebody who waits for an answer makes us try again at once.
  if (waiting_ == 0 && !queue_.empty() && !looked_late) {
    waits_ = Waits::kAwaited;
    const auto delay = backing_off_ ? duration_cast<milliseconds>(kBackOff) : milliseconds(settings_.lazy_ms);
    work_.wait_for(lock, delay, [&] { return urgent() || waiting_ != 0; });
  }
  if (waiting_ >= kLingerFrom && settings_.linger_us > 0) {
    waits_ = Waits::kCompany;
    work_.wait_for(lock, microseconds(std::min<std::int64_t>(settings_.linger_us, 2000)),
                   [&] { return urgent() || waiting_ >= kLingerEnough; });
  }
  waits_ = Waits::kBusy;
  return !(stopping_ && queue_.empty());
}

void Writer::commit(std::vector<Pending>& batch) {
  if (batch.empty() && !head_due()) return;
  std::vector<Stored> stored;
  stored.reserve(batch.size() + 2);
  auto failure = try_commit(batch, stored);
  if (failure) {
    // A failed fsync is not asked again (the kernel may have dropped the pages and say yes): a new segment takes it
    // all.
    const std::string first = failure->text();
    abandon();
    stored.clear();
    failure = try_commit(batch, stored);
    const std::lock_guard lock(mutex_);
    ++counts_.rewrites;
    counts_.last_failure = first;
  }
  if (!failure) return publish(batch, stored);
  abandon();
  fail(batch, *failure);
}

Writer::Failure Writer::try_commit(const std::vector<Pending>& batch, std::vector<Stored>& stored) {
  const std::int64_t now = clock_.now_us();
  // A clock that went back does not reopen a finished day.
  const std::int32_t day = segment_ ? std::max(segment_->day, day_of(now)) : day_of(now);
  if (auto failure = ensure_segment(day, stored)) return failure;
  for (const auto& pending : batch) {
    const FrameFacts facts{building_.seq + 1, pending.record.time_us != 0 ? pending.record.time_us : now,
                           pending.record.type};
    add_record(facts, pending.record.fields, stored);
  }
  if (head_due()) add_head(1, stored);
  if (auto failure = write_and_sync()) return failure;
  accept();
  return {};
}

void Writer::publish(std::vector<Pending>& batch, std::vector<Stored>& stored) {
  tip_.note(durable_.seq, durable_.chain);
  backing_off_ = false;
  busy_lately_ = true;
  // Heads stand before and behind the batch; its own records have no fields in `stored` yet.
  std::size_t at = 0;
  for (auto& pending : batch) {
    while (stored[at].type == kTypeHead) ++at;
    if (pending.waiter) pending.waiter->result = stored[at].at;
    stored[at++].fields = std::move(pending.record.fields);
  }
  {
    const std::lock_guard lock(mutex_);
    committed_ = {segment_, durable_.offset, durable_.seq};
    ++counts_.commits;
    counts_.failing = false;
    counts_.records += stored.size();
  }
  if (settings_.on_commit) settings_.on_commit(std::move(stored));
  resume(batch);
}

void Writer::fail(std::vector<Pending>& batch, const StoreError& error) {
  backing_off_ = true;
  std::vector<Pending> lazy;
  for (auto& pending : batch) {
    if (pending.waiter)
      pending.waiter->result = core::error(error);
    else
      lazy.push_back(std::move(pending));
  }
  {
    const std::lock_guard lock(mutex_);
    ++counts_.failed_commits;
    counts_.failing = true;
    counts_.last_failure = error.text();
    if (stopping_) counts_.lost_lazy += lazy.size(), lazy.clear();
    for (const auto& pending : lazy) queue_bytes_ += pending.record.fields.size() + sizeof(Pending);
    queue_.insert(queue_.begin(), std::make_move_iterator(lazy.begin()), std::make_move_iterator(lazy.end()));
    flushing_ = false;
    done_.notify_all();
  }
  std::erase_if(batch, [](const Pending& pending) { return pending.waiter == nullptr; });
  resume(batch);
}

// One post per loop and commit. A waiter's memory may be gone as soon as it was told.
void Writer::resume(std::vector<Pending>& batch) {
  std::vector<std::pair<io::Loop*, std::vector<std::coroutine_handle<>>>> groups;
  bool told = false;
  for (auto& pending : batch) {
    Waiter* waiter = pending.waiter;
    if (!waiter) continue;
    if (!waiter->loop) {
      const std::lock_guard lock(mutex_);
      waiter->done = told = true;
      continue;
    }
    auto group = std::find_if(groups.begin(), groups.end(), [&](const auto& g) { return g.first == waiter->loop; });
    if (group == groups.end()) group = groups.insert(groups.end(), {waiter->loop, {}});
    group->second.push_back(waiter->handle);
  }
  if (told) done_.notify_all();
  for (auto& [loop, handles] : groups) {
    loop->post([handles = std::move(handles)] {
      for (const auto handle : handles) core::resume(handle);
    });
  }
}

}  // namespace sekisho::store
