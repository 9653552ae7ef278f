#include "base/store/ledger.h"

#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <mutex>
#include <set>

#include "base/core/trusted_now.h"
#include "base/io/io.h"
#include "base/store/fields.h"
#include "base/store/recover.h"
#include "base/store/verify.h"
#include "base/store/writer.h"

namespace sekisho::store {

namespace {
constexpr std::int64_t kLeapDays = 14;
constexpr std::size_t kProofDays = 7;

core::Clock& system_clock() {
  static core::SystemClock clock;
  return clock;
}
core::Random& system_random() {
  static core::SystemRandom random;
  return random;
}

core::Result<void, StoreError> make_folder(const std::string& folder) {
  for (std::size_t at = 1; at != std::string::npos;) {
    at = folder.find('/', at);
    const std::string part = folder.substr(0, at);
    if (::mkdir(part.c_str(), 0700) != 0 && errno != EEXIST)
      return core::error(os_failure(errno, part, 0, "making the folder"));
    if (at != std::string::npos) ++at;
  }
  return {};
}
}  // namespace

struct Ledger::Impl {
  Impl(LedgerSettings given, FolderLock held, Signer keys)
      : settings(std::move(given)),
        lock(std::move(held)),
        signer(std::move(keys)),
        clock(settings.clock ? *settings.clock : system_clock()),
        random(settings.random ? *settings.random : system_random()),
        catalog(settings.folder, signer.identity()),
        day_keys(*settings.files, settings.folder, random) {}

  VerifyScope scope() const {
    const Committed end = writer->committed();
    return {true, end.segment, end.end};
  }

  LedgerSettings settings;
  FolderLock lock;
  Signer signer;
  core::Clock& clock;
  core::Random& random;
  Catalog catalog;
  DayKeys day_keys;
  Problems problems;
  std::mutex retention;
  mutable std::atomic<std::int64_t> looked_ms{INT64_MIN};
  mutable std::atomic<bool> short_of_disk{false};
  std::unique_ptr<Writer> writer;
};

core::Result<std::unique_ptr<Ledger>, StoreError> Ledger::open(LedgerSettings settings) {
  if (auto made = make_folder(settings.folder); !made) return core::error(made.error());
  auto lock = FolderLock::take(settings.folder);
  if (!lock) return core::error(lock.error());
  core::Random& random = settings.random ? *settings.random : system_random();
  auto signer = Signer::open(*settings.files, settings.folder, random);
  if (!signer) return core::error(signer.error());
  auto impl = std::make_unique<Impl>(std::move(settings), std::move(*lock), std::move(*signer));
  auto recovered = recover(*impl->settings.files, impl->catalog, impl->signer);
  if (!recovered) return core::error(recovered.error());
  impl->problems = std::move(recovered->problems);
  impl->writer = std::make_unique<Writer>(impl->catalog, impl->signer, impl->settings, impl->clock, impl->day_keys,
                                          recovered->start);
  return std::unique_ptr<Ledger>(new Ledger(std::move(impl)));
}

Ledger::Ledger(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Ledger::~Ledger() = default;
const Problems& Ledger::open_problems() const { return impl_->problems; }

namespace {
struct Enqueue {
  Writer& writer;
  Record record;
  Waiter& waiter;
  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> handle) {
    waiter.handle = handle;
    return writer.enqueue(std::move(record), &waiter);  // from here on the frame may be resumed on its loop
  }
  void await_resume() const noexcept {}
};
}  // namespace

core::Task<Appended> Ledger::append(Record record) {
  Waiter waiter;
  waiter.loop = &io::Loop::current();
  Enqueue enqueue{*impl_->writer, std::move(record), waiter};
  co_await enqueue;
  co_return std::move(*waiter.result);
}

void Ledger::append_lazy(Record record) { (void)impl_->writer->enqueue(std::move(record), nullptr); }
Appended Ledger::append_now(Record record) { return impl_->writer->wait_for(std::move(record)); }
void Ledger::flush() { impl_->writer->flush(); }

core::Result<Stored, StoreError> Ledger::read(const Position& at) const {
  const SegmentName name{at.day, at.part};
  const std::string path = impl_->catalog.path(name);
  auto source = FileSource::open(path);
  if (!source) {
    if (source.error() != ENOENT) return core::error(os_failure(source.error(), path, at.offset, "reading a record"));
    return core::error(StoreError{StoreErrorKind::kNotFound, path, at.offset, 0, "its day is gone"});
  }
  SegmentReader reader(**source, impl_->catalog.identity().salt, (*source)->size(), 8192);
  Frame frame;
  reader.seek(std::max<std::uint64_t>(at.offset, kSegmentHead));
  const Step step = reader.next(frame);
  if (reader.os_error() != 0) return core::error(os_failure(reader.os_error(), path, at.offset, "reading a record"));
  if (step != Step::kFrame || frame.seq != at.seq)
    return core::error(
        StoreError{StoreErrorKind::kDamaged, path, at.offset, 0, "seq " + std::to_string(at.seq) + " is not there"});
  return Stored{at, frame.time_us, frame.type, std::string(frame.fields)};
}

ScanReport Ledger::scan(const Position& after, const Visitor& visit) const {
  return scan_catalog(impl_->catalog, impl_->scope(), after, visit);
}

VerifyReport Ledger::verify() const {
  VerifyReport report = verify_catalog(impl_->catalog, impl_->scope());
  // What open saw and a walk cannot see any more.
  for (const auto& problem : impl_->problems) {
    if (problem.kind == ProblemKind::kTornTail) report.repaired.push_back(problem);
    if (problem.kind == ProblemKind::kShortOfHead) report.problems.push_back(problem);
  }
  return report;
}

core::Result<VerifyReport, StoreError> Ledger::verify_folder(const std::string& folder) {
  const auto identity = read_identity(folder);
  if (!identity) return core::error(identity.error());
  auto lock = FolderLock::take(folder);
  if (!lock) return core::error(lock.error());
  return verify_catalog(Catalog(folder, *identity), {});
}

core::Result<ScanReport, StoreError> Ledger::scan_folder(const std::string& folder, const Visitor& visit) {
  const auto identity = read_identity(folder);
  if (!identity) return core::error(identity.error());
  auto lock = FolderLock::take(folder);
  if (!lock) return core::error(lock.error());
  return scan_catalog(Catalog(folder, *identity), {}, {}, visit);
}

core::Result<std::vector<std::string>, StoreError> Ledger::retain(std::int32_t first_kept_day) {
  const std::lock_guard guard(impl_->retention);
  const Committed end = impl_->writer->committed();
  first_kept_day -= doubted_days();
  if (end.segment) first_kept_day = std::min(first_kept_day, end.segment->day);
  std::vector<std::string> gone;
  const auto segments = impl_->catalog.segments();
  for (auto [day, anchor] : impl_->catalog.anchors(nullptr)) {
    if (day >= first_kept_day || !anchor.signature_ok) continue;
    const bool fresh = anchor.unlinked_us == 0;
    if (fresh) {
      // The promise first, then the deed: a crash between them leaves files that nobody reads and the next run takes
      // away.
      anchor.unlinked_us = impl_->clock.now_us();
      const std::string path = impl_->catalog.anchor_path(day), text = format_anchor(anchor, impl_->signer);
      if (auto done = replace_file(*impl_->settings.files, path, text, 0644, true); !done)
        return core::error(os_failure(done.error(), path, 0, "signing the retention of a day"));
    }
    if (auto done = impl_->day_keys.destroy(day); !done) return core::error(done.error());
    for (unsigned part = 0, missing = 0; part <= UINT16_MAX && missing < 8; ++part) {
      const std::string path = impl_->catalog.path({day, static_cast<std::uint16_t>(part)});
      const auto unlinked = impl_->settings.files->unlink(path);
      if (!unlinked && unlinked.error() != ENOENT)
        return core::error(os_failure(unlinked.error(), path, 0, "unlinking a day"));
      missing = unlinked ? 0 : missing + 1;
    }
    if (!fresh) continue;
    FieldWriter fields;
    fields.put_u64(kTagUnlinkedDay, static_cast<std::uint64_t>(day));
    append_lazy({kTypeRetention, 0, fields.take()});
    gone.push_back(day_text(day));
  }
  return gone;
}

std::optional<std::array<char, 16>> Ledger::recipient_hash(std::int64_t time_us, std::string_view address, bool make) {
  return impl_->day_keys.hash(day_of(time_us), address, make);
}

std::int32_t Ledger::doubted_days() const {
  std::set<std::int64_t> known;
  for (const auto& name : impl_->catalog.segments()) known.insert(name.day);
  for (const auto& [day, anchor] : impl_->catalog.anchors(nullptr)) known.insert(day);
  const std::vector<std::int64_t> days(known.begin(), known.end());
  const std::int64_t today = day_of(impl_->clock.now_us());
  return static_cast<std::int32_t>(today - core::trusted_now(days, today, kLeapDays, kProofDays));
}

bool Ledger::short_of_disk() const {
  const std::int64_t now = impl_->clock.steady_ms();
  std::int64_t looked = impl_->looked_ms.load();
  if (looked != INT64_MIN && now - looked < 1000) return impl_->short_of_disk;
  if (!impl_->looked_ms.compare_exchange_strong(looked, now)) return impl_->short_of_disk;
  const auto free = impl_->settings.files->free_bytes(impl_->settings.folder);
  // A disk that cannot be asked is not promised to.
  impl_->short_of_disk = !free || *free < impl_->settings.min_free_bytes;
  return impl_->short_of_disk;
}

std::uint64_t Ledger::last_seq() const { return impl_->writer->committed().last_seq; }

std::uint64_t Ledger::first_seq() const {
  std::uint64_t first = 0;
  (void)scan({}, [&](const Stored& record) { return first = record.at.seq, false; });
  return first;
}

LedgerCounts Ledger::counts() const { return impl_->writer->counts(); }

}  // namespace sekisho::store
