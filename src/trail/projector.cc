#include "trail/projector.h"

#include <algorithm>
#include <chrono>

namespace sekisho::trail {

namespace {
constexpr std::size_t kMaxProblems = 20;
constexpr std::size_t kMaxQueue = 50'000;
// Records are gathered so long, or until so many are there: a wake-up for each commit costs more than the work itself.
constexpr std::int64_t kGatherMs = 100;
constexpr std::size_t kGatherRecords = 1000;
constexpr std::size_t kMaxPending = 2'000'000;  // entries, some 150 MB: only while the disk is short

std::int64_t steady_ms() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(steady_clock::now().time_since_epoch()).count();
}
}  // namespace

Projector::~Projector() { stop(); }

void Projector::take(std::vector<store::Stored> records) {
  bool wake;
  {
    const std::lock_guard lock(mutex_);
    const bool few = queue_.size() < kGatherRecords;
    if (overflow_ || queue_.size() + records.size() > kMaxQueue) {
      overflow_ = true;
      queue_.clear();
    } else if (queue_.empty()) {
      queue_ = std::move(records);
    } else {
      queue_.insert(queue_.end(), std::make_move_iterator(records.begin()), std::make_move_iterator(records.end()));
    }
    wake = std::exchange(asleep_, false) || askers_ != 0 || (few && (overflow_ || queue_.size() >= kGatherRecords));
  }
  if (wake) work_.notify_one();
}

core::Result<void, store::StoreError> Projector::start(const store::Ledger& ledger, const std::string& folder,
                                                       std::vector<std::string>& reports) {
  ledger_ = &ledger;
  auto opened = store::Index::open(folder);
  std::string why;
  if (!opened)
    why = opened.error().text();
  else if ((*opened)->position().seq > ledger.last_seq())
    why = "it knows records the ledger does not have";
  if (!why.empty()) {
    if (opened) std::move(opened).value().reset();
    if (auto gone = store::Index::destroy(folder); !gone) return gone;
    opened = store::Index::open(folder);
    if (!opened) return core::error(opened.error());
    reports.push_back("the index was thrown away and is rebuilt from the ledger: " + why);
  }
  index_ = std::move(opened).value();
  applied_ = index_->position();
  checkpoint_at_ms_ = steady_ms();
  index_->expire_below(ledger.first_seq());
  thread_ = std::thread([this] { run(); });
  return {};
}

void Projector::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  work_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void Projector::run() {
  catch_up();
  std::unique_lock lock(mutex_);
  for (;;) {
    // Held up, it looks every second whether the disk takes something again; the queue runs over into the ledger
    // meanwhile.
    const auto tick = std::chrono::milliseconds(held_up_                  ? 1000
                                                : unwritten_records_ != 0 ? limits_.checkpoint_ms
                                                                          : 3'600'000);
    asleep_ = true;
    work_.wait_for(lock, tick, [&] { return stopping_ || (!held_up_ && (!queue_.empty() || overflow_)); });
    asleep_ = false;
    if (!held_up_ && !queue_.empty())
      work_.wait_for(lock, std::chrono::milliseconds(kGatherMs),
                     [&] { return stopping_ || overflow_ || askers_ != 0 || queue_.size() >= kGatherRecords; });
    const bool last = stopping_;
    if (held_up_) {
      lock.unlock();
      checkpoint();
    } else {
      const bool missed = std::exchange(overflow_, false);
      const auto records = std::exchange(queue_, {});
      lock.unlock();
      if (missed) catch_up();
      apply_records(records);
      if (checkpoint_due() || last) checkpoint();
    }
    lock.lock();
    if (last) return;
  }
}

void Projector::catch_up() {
  std::vector<store::Stored> batch;
  // The index goes on behind what cannot be read; every answer tells that it is missing.
  auto report = ledger_->scan(applied_, [&](const store::Stored& record) {
    batch.push_back(record);
    if (batch.size() < 1000) return true;
    apply_records(batch);
    batch.clear();
    if (checkpoint_due()) checkpoint();
    const std::lock_guard lock(mutex_);
    if (held_up_) overflow_ = true;  // go on when the disk takes something again
    return !stopping_ && !held_up_;
  });
  apply_records(batch);
  const std::lock_guard lock(mutex_);
  for (auto& problem : report.problems)
    if (problems_.size() < kMaxProblems) problems_.push_back(std::move(problem));
}

void Projector::apply_records(const std::vector<store::Stored>& records) {
  if (records.empty()) return;
  std::vector<store::IndexEntry> made;
  made.reserve(records.size() * 8);
  std::uint64_t count = 0;
  for (const auto& record : records) {
    if (record.at.seq <= applied_.seq) continue;
    ++count;
    const auto event = decode(record.type, record.fields);
    if (event) apply(record.at, record.time_us, *event, made);
  }
  {
    const std::lock_guard lock(mutex_);
    if (records.back().at.seq > applied_.seq) applied_ = records.back().at;
    if (pending_.empty())
      pending_ = std::move(made);
    else
      pending_.insert(pending_.end(), made.begin(), made.end());
    unwritten_records_ += count;
  }
  applied_changed_.notify_all();
}

bool Projector::checkpoint_due() const {
  if (unwritten_records_ == 0) return false;
  if (unwritten_records_ >= limits_.checkpoint_records && !failed_) return true;
  return steady_ms() - checkpoint_at_ms_ >= limits_.checkpoint_ms;
}

void Projector::checkpoint() {
  checkpoint_at_ms_ = steady_ms();
  if (unwritten_records_ == 0) return;
  // RocksDB may abort the process on a full disk, so it gets nothing while the disk is short; the ledger has it all.
  bool written = false;
  if (!ledger_->short_of_disk()) {
    {
      const std::lock_guard lock(mutex_);
      writing_ = std::exchange(pending_, {});
    }
    written = index_->apply(writing_, applied_).ok();
  }
  const std::lock_guard lock(mutex_);
  failed_ = !written;
  if (written)
    unwritten_records_ = 0;
  else
    pending_.insert(pending_.begin(), writing_.begin(), writing_.end());
  writing_.clear();
  held_up_ = pending_.size() >= kMaxPending;
}

bool Projector::wait_for(std::uint64_t seq, std::int64_t timeout_ms) {
  std::unique_lock lock(mutex_);
  if (applied_.seq >= seq) return true;
  ++askers_;
  work_.notify_one();
  const bool seen =
      applied_changed_.wait_for(lock, std::chrono::milliseconds(timeout_ms), [&] { return applied_.seq >= seq; });
  --askers_;
  return seen;
}

store::Problems Projector::problems() const {
  const std::lock_guard lock(mutex_);
  return problems_;
}

std::uint64_t Projector::applied_seq() const {
  const std::lock_guard lock(mutex_);
  return applied_.seq;
}

core::Result<void, store::StoreError> Projector::find(
    Key key, const IndexValue& value, std::int64_t from_us, std::int64_t to_us,
    const std::function<bool(const store::IndexEntry&)>& visit) const {
  std::vector<store::IndexEntry> fresh;
  {
    const std::lock_guard lock(mutex_);
    for (const auto* list : {&pending_, &writing_}) {
      for (const auto& entry : *list) {
        if (entry.key.kind != static_cast<std::uint8_t>(key) || entry.key.value != value) continue;
        if (entry.key.time_us >= from_us && entry.key.time_us <= to_us) fresh.push_back(entry);
      }
    }
  }
  std::sort(fresh.begin(), fresh.end(), [](const auto& a, const auto& b) { return a.key > b.key; });
  for (const auto& entry : fresh)
    if (!visit(entry)) return {};
  return index_->find(static_cast<std::uint8_t>(key), value, from_us, to_us, visit);
}

}  // namespace sekisho::trail
