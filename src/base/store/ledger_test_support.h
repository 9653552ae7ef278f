#pragma once
// What the ledger's tests share: a folder of its own, whole reads, and disks that fail.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <set>

#include "base/store/ledger.h"

namespace sekisho::store::test {
namespace fs = std::filesystem;
constexpr std::int64_t kNoon = 1'800'014'400;  // 2027-01-15 12:00 UTC

struct Folder {
  explicit Folder(const std::string& place = "/tmp") {
    path = place + "/ledger-test-XXXXXX";
    if (!::mkdtemp(path.data())) path.clear();
  }
  ~Folder() { fs::remove_all(path); }
  Folder(const Folder&) = delete;
  std::string path;
};

// For files that are written anew ten thousand times: memory if there is room, because a disk makes each rewriting
// last.
inline std::string quick_place() {
  std::error_code ec;
  const fs::space_info shm = fs::space("/dev/shm", ec);
  return !ec && shm.available > (32u << 20) && ::access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
}

inline std::unique_ptr<Ledger> open(LedgerSettings settings) {
  auto ledger = Ledger::open(std::move(settings));
  EXPECT_TRUE(ledger.ok()) << ledger.error().text();
  return ledger ? std::move(*ledger) : nullptr;
}

inline std::vector<Stored> all(const Ledger& ledger) {
  std::vector<Stored> out;
  (void)ledger.scan({}, [&](const Stored& record) { return out.push_back(record), true; });
  return out;
}

inline std::vector<std::string> texts(const Ledger& ledger) {
  std::vector<std::string> out;
  for (const auto& record : all(ledger))
    if (record.type >= kFirstFreeType) out.push_back(record.fields);
  return out;
}

inline std::string slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
inline void spit(const std::string& path, std::string_view octets) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << octets;
}

inline void expect_ok(const VerifyReport& report) {
  for (const auto& problem : report.problems)
    ADD_FAILURE() << word(problem.kind) << ' ' << problem.file << '@' << problem.offset << ": " << problem.text;
}
inline bool has(const Problems& problems, ProblemKind kind) {
  for (const auto& problem : problems)
    if (problem.kind == kind) return true;
  return false;
}

// A disk that fails as told and, like the real one, drops what was not synced when an fsync fails, and then says yes.
class FailingFiles : public FileOps {
 public:
  // how many of the next ones; -1 all
  std::atomic<int> fail_writes{0}, fail_reserves{0}, fail_syncs{0}, fail_renames{0}, fail_opens{0};
  std::atomic<int> error{EIO};
  std::atomic<std::size_t> largest_write{SIZE_MAX};
  std::atomic<int> syncs_after_failure{0};

  core::Result<int, OsError> open(const std::string& path, int flags, unsigned mode) override {
    if (path.ends_with(".log") && take(fail_opens)) return core::error(error.load());
    if ((flags & O_ACCMODE) == O_WRONLY) flags = (flags & ~O_ACCMODE) | O_RDWR;
    auto fd = FileOps::open(path, flags, mode);
    const std::lock_guard lock(mutex_);
    if (fd) synced_[*fd] = {fs::file_size(path), {}}, failed_.erase(*fd);
    return fd;
  }
  core::Result<std::size_t, OsError> write(int fd, std::string_view octets, std::uint64_t offset) override {
    remember(fd, octets.size(), offset);
    if (take(fail_writes)) {
      // ENOSPC comes in the middle of a write, too.
      (void)FileOps::write(fd, octets.substr(0, octets.size() / 2), offset);
      return core::error(error.load());
    }
    return FileOps::write(fd, octets.substr(0, largest_write), offset);
  }
  core::Result<void, OsError> reserve(int fd, std::uint64_t from, std::uint64_t to) override {
    if (!take(fail_reserves)) return FileOps::reserve(fd, from, to);
    (void)FileOps::reserve(fd, from, from + (to - from) / 2);
    return core::error(error.load());
  }
  core::Result<void, OsError> sync(int fd) override {
    const std::lock_guard lock(mutex_);
    if (failed_.contains(fd)) ++syncs_after_failure;
    Synced& synced = synced_[fd];
    if (take(fail_syncs)) {
      failed_.insert(fd);
      for (; !synced.before.empty(); synced.before.pop_back())
        (void)FileOps::write(fd, synced.before.back().second, synced.before.back().first);
      (void)FileOps::truncate(fd, synced.size);
      return core::error(error.load());
    }
    auto done = FileOps::sync(fd);
    synced = {static_cast<std::uint64_t>(::lseek(fd, 0, SEEK_END)), {}};
    return done;
  }
  core::Result<void, OsError> rename(const std::string& from, const std::string& to) override {
    if (take(fail_renames)) return core::error(error.load());
    return FileOps::rename(from, to);
  }

 private:
  static bool take(std::atomic<int>& left) {
    if (left == 0) return false;
    if (left > 0) --left;
    return true;
  }
  void remember(int fd, std::size_t size, std::uint64_t offset) {
    std::string before(size, '\0');
    const ssize_t got = ::pread(fd, before.data(), size, static_cast<off_t>(offset));
    before.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    const std::lock_guard lock(mutex_);
    if (!before.empty()) synced_[fd].before.emplace_back(offset, std::move(before));
  }
  struct Synced {
    std::uint64_t size = 0;
    std::vector<std::pair<std::uint64_t, std::string>> before;  // what was written over since
  };
  std::mutex mutex_;
  std::map<int, Synced> synced_;
  std::set<int> failed_;
};

}  // namespace sekisho::store::test
