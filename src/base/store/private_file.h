#pragma once
// What commands and servers share that keep secrets in files: the lock that lets one of them change a thing at a time,
// and reading a secret without leaving it in memory.
#include <sys/types.h>

#include <string>
#include <utility>

#include "base/store/file_ops.h"

namespace sekisho::store {

// An exclusive flock(2), held while the object lives; the kernel gives it back when the process ends. Of a file or
// folder that is there; or with create of a file that is made, mode 0600, and is no link.
class FileLock {
 public:
  enum class Wait : bool { kNo, kYes };
  // EWOULDBLOCK: somebody else holds it.
  static core::Result<FileLock, OsError> take(const std::string& path, bool create, Wait wait);
  FileLock(FileLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileLock& operator=(FileLock&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~FileLock();
  int fd() const { return fd_; }

 private:
  explicit FileLock(int fd) : fd_(fd) {}
  int fd_;
};

// Octets that are wiped when they go.
struct PrivateOctets {
  PrivateOctets() = default;
  PrivateOctets(PrivateOctets&&) noexcept = default;
  PrivateOctets& operator=(PrivateOctets&&) = delete;
  ~PrivateOctets();
  std::string octets;
  mode_t mode = 0;  // of the file, with its kind (S_ISREG)
};
// EISDIR: a folder. EINVAL: neither a file nor, where they are let in, a pipe (a server's start would hang on one).
// EFBIG: over max.
core::Result<PrivateOctets, OsError> read_private(const std::string& path, std::size_t max, bool pipes);

}  // namespace sekisho::store
