#pragma once
// The few file operations the ledger writes with, so that tests can make a disk fail. Errors are errno values.
// Thread rule: any thread; the implementation holds no state.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/core/result.h"

namespace sekisho::store {

using OsError = int;

class FileOps {
 public:
  virtual ~FileOps() = default;
  virtual core::Result<int, OsError> open(const std::string& path, int flags, unsigned mode);
  // May write less than asked, never nothing without an error.
  virtual core::Result<std::size_t, OsError> write(int fd, std::string_view octets, std::uint64_t offset);
  // Puts zeros into [from, to), behind what was written: later writes there need no new block and no new file size.
  virtual core::Result<void, OsError> reserve(int fd, std::uint64_t from, std::uint64_t to);
  virtual core::Result<void, OsError> sync(int fd);                          // fdatasync(2)
  virtual core::Result<void, OsError> sync_folder(const std::string& path);  // makes names durable
  virtual core::Result<void, OsError> truncate(int fd, std::uint64_t size);
  virtual core::Result<void, OsError> rename(const std::string& from, const std::string& to);
  virtual core::Result<void, OsError> unlink(const std::string& path);
  virtual core::Result<std::uint64_t, OsError> free_bytes(const std::string& folder);  // for an unprivileged writer
  void close(int fd);

  static FileOps& system();
};

// Writes octets to path so that after a crash either the old or the new content stands there: path.new, fdatasync,
// rename, sync of the folder. With durable = false neither is synced.
core::Result<void, OsError> replace_file(FileOps& files, const std::string& path, std::string_view octets,
                                         unsigned mode, bool durable);
// The whole of a small file; ENOENT as error value when there is none, EFBIG when it is over max.
core::Result<std::string, OsError> read_file(const std::string& path, std::size_t max = 1 << 20);

}  // namespace sekisho::store
