#include "base/store/recover.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/core/text.h"
#include "base/store/head_note.h"
#include "base/store/tip.h"

namespace sekisho::store {

namespace {
// The lock is the flock; what stands in the file only helps people.
void note_holder(int fd) {
  const std::string text = std::to_string(::getpid()) + "\n";
  if (::ftruncate(fd, 0) == 0) (void)!::pwrite(fd, text.data(), text.size(), 0);
}

std::string tell_holder(const std::string& path) {
  const std::string todo =
      "stop it, or give this one a server.state_dir of its own; `sekisho trace` and the like ask the running server";
  const auto pid = read_file(path, 100);
  const auto number = pid ? core::parse_uint(core::trim_fws(*pid), INT32_MAX) : std::nullopt;
  if (!number) return todo;
  const auto name = read_file("/proc/" + std::to_string(*number) + "/comm", 100);
  return "process " + std::to_string(*number) + (name ? " (" + std::string(core::trim_fws(*name)) + ")" : "") +
         " holds it; " + todo;
}
}  // namespace

core::Result<FolderLock, StoreError> FolderLock::take(const std::string& folder) {
  const std::string path = folder + "/lock";
  auto lock = FileLock::take(path, true, FileLock::Wait::kNo);
  if (!lock && lock.error() == EWOULDBLOCK)
    return core::error(StoreError{StoreErrorKind::kLocked, path, 0, 0, tell_holder(path)});
  if (!lock) return core::error(os_failure(lock.error(), path, 0, "taking the lock"));
  note_holder(lock->fd());
  return FolderLock(std::move(*lock));
}

std::string Ledger::holder(const std::string& folder) {
  const std::string path = folder + "/lock";
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  const bool held = ::flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  ::close(fd);
  return held ? path + ": " + tell_holder(path) : "";
}

namespace {
// Copies [from, to) of a segment to saved/ so that nothing is destroyed by the cut.
core::Result<std::string, StoreError> save_tail(FileOps& files, const Catalog& catalog, const SegmentName& name,
                                                std::uint64_t from, std::uint64_t to) {
  const std::string folder = catalog.folder() + "/saved";
  const std::string path = folder + "/" + name.file() + "." + std::to_string(from) + ".tail";
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST)
    return core::error(os_failure(errno, folder, 0, "making the folder"));
  auto source = FileSource::open(catalog.path(name));
  if (!source) return core::error(os_failure(source.error(), catalog.path(name), from, "reading the torn tail"));
  std::string octets(to - from, '\0');
  const auto got = (*source)->read(from, octets.data(), octets.size());
  if (!got) return core::error(os_failure(got.error(), catalog.path(name), from, "reading the torn tail"));
  octets.resize(*got);
  if (auto saved = replace_file(files, path, octets, 0600, true); !saved)
    return core::error(os_failure(saved.error(), path, 0, "saving the torn tail"));
  return path;
}

core::Result<void, StoreError> cut(FileOps& files, const std::string& path, std::uint64_t end, const char* what) {
  const auto fd = files.open(path, O_WRONLY, 0600);
  if (!fd) return core::error(os_failure(fd.error(), path, end, what));
  auto done = files.truncate(*fd, end);
  if (done) done = files.sync(*fd);
  files.close(*fd);
  if (!done) return core::error(os_failure(done.error(), path, end, what));
  return {};
}

core::Result<void, StoreError> cut_tail(FileOps& files, const Catalog& catalog, const SegmentName& name,
                                        const Catalog::Walk& walk, Problems& problems) {
  const std::uint64_t from = walk.records == 0 ? 0 : walk.end;
  const std::string path = catalog.path(name);
  const auto saved = save_tail(files, catalog, name, from, walk.size);
  if (!saved) return core::error(saved.error());
  if (walk.records == 0) {
    if (auto gone = files.unlink(path); !gone)
      return core::error(os_failure(gone.error(), path, 0, "removing an empty segment"));
  } else if (auto done = cut(files, path, from, "cutting the torn tail"); !done) {
    return done;
  }
  problems.push_back(
      {ProblemKind::kTornTail, path, from,
       std::to_string(walk.size - from) + " octets behind the last whole record were cut and saved as " + *saved});
  return {};
}

// The end of the ledger where no segment has it: the newest anchor.
void start_from_anchor(const Catalog& catalog, Writer::Start& start) {
  for (const auto& [day, anchor] : catalog.anchors(nullptr)) {
    if (!anchor.signature_ok || anchor.last_seq < start.last_seq) continue;
    start.last_seq = anchor.last_seq;
    start.chain = anchor.last;
  }
}

void compare_with_head_note(const Catalog& catalog, Recovered& out) {
  const std::string path = catalog.folder() + "/head";
  const auto text = read_file(path);
  if (!text || text->empty()) return;
  const auto note = parse_head_note(*text, catalog.identity().key);
  if (!note) {
    out.problems.push_back({ProblemKind::kBadSignature, path, 0, "the noted head is not signed by this ledger's key"});
  } else if (note->seq > out.start.last_seq) {
    out.problems.push_back({ProblemKind::kShortOfHead, path, 0,
                            "the ledger ends at seq " + std::to_string(out.start.last_seq) + " but had signed seq " +
                                std::to_string(note->seq)});
    out.start.last_seq = note->seq;  // a seq is never given twice
  }
}

// Days that ended while nobody was there to sign them off.
void write_missing_anchors(FileOps& files, const Catalog& catalog, const Signer& signer,
                           const std::vector<SegmentName>& segments, const Limits& limits) {
  const auto known = catalog.anchors(nullptr);
  for (std::size_t i = 0; i + 1 < segments.size(); ++i) {
    const auto& name = segments[i];
    if (segments[i + 1].day == name.day || name.day == segments.back().day || known.contains(name.day)) continue;
    Problems ignored;
    const auto walk = catalog.walk(name, limits.at(name), ignored, [](const Frame&) { return true; });
    if (walk.records == 0) continue;
    const auto anchor = make_anchor(catalog, name.day, walk.last_seq, walk.last);
    if (anchor) (void)replace_file(files, catalog.anchor_path(name.day), format_anchor(*anchor, signer), 0644, true);
  }
}
}  // namespace

core::Result<Recovered, StoreError> recover(FileOps& files, const Catalog& catalog, const Signer& signer) {
  Recovered out;
  auto segments = catalog.segments();
  write_missing_anchors(files, catalog, signer, segments, catalog.limits(segments));
  while (!segments.empty()) {
    const SegmentName name = segments.back();
    const auto walk = catalog.walk(name, UINT64_MAX, out.problems, [](const Frame&) { return true; });
    const bool unreadable = !out.problems.empty() && out.problems.back().kind == ProblemKind::kUnreadable;
    const bool torn = walk.stopped == Step::kTorn || walk.stopped == Step::kDamage || walk.records == 0;
    if (torn && !unreadable) {
      if (auto done = cut_tail(files, catalog, name, walk, out.problems); !done) return core::error(done.error());
    } else if (walk.reserve != 0 && !unreadable) {
      auto done = cut(files, catalog.path(name), walk.size, "cutting the reserve of a writer that was killed");
      if (!done) return core::error(done.error());
    }
    if (walk.records == 0) {
      segments.pop_back();
      continue;
    }
    out.start.segment = name;
    out.start.appendable = !unreadable;
    out.start.end = walk.end;
    out.start.last_seq = walk.last_seq;
    out.start.chain = walk.last;
    break;
  }
  if (!out.start.segment) start_from_anchor(catalog, out.start);
  const std::uint64_t ends_at = out.start.last_seq;
  compare_with_head_note(catalog, out);
  // A short one that the head has told needs no second word; a seq is never given twice.
  const std::uint64_t told = out.start.last_seq;
  std::uint64_t noted_seq = 0;
  if (auto problem = compare_with_tip(catalog, ends_at, out.start.chain, noted_seq)) {
    if (problem->kind != ProblemKind::kShortOfHead || told == ends_at) out.problems.push_back(std::move(*problem));
    out.start.last_seq = std::max(told, noted_seq);
  }
  return out;
}

}  // namespace sekisho::store
