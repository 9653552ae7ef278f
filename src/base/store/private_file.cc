#include "base/store/private_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace sekisho::store {

core::Result<FileLock, OsError> FileLock::take(const std::string& path, bool create, Wait wait) {
  const int flags = create ? O_RDWR | O_CREAT | O_NOFOLLOW : O_RDONLY;
  FileLock out(::open(path.c_str(), flags | O_CLOEXEC, 0600));
  if (out.fd_ < 0) return core::error(errno);
  int locked;
  do {
    locked = ::flock(out.fd_, wait == Wait::kYes ? LOCK_EX : LOCK_EX | LOCK_NB);
  } while (locked != 0 && errno == EINTR);
  if (locked != 0) return core::error(errno);
  return out;
}

FileLock::~FileLock() {
  if (fd_ >= 0) ::close(fd_);
}

PrivateOctets::~PrivateOctets() { ::explicit_bzero(octets.data(), octets.size()); }

core::Result<PrivateOctets, OsError> read_private(const std::string& path, std::size_t max, bool pipes) {
  struct Opened {
    int fd;
    ~Opened() {
      if (fd >= 0) ::close(fd);
    }
  } in{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | (pipes ? 0 : O_NONBLOCK))};
  struct stat about {};
  if (in.fd < 0 || ::fstat(in.fd, &about) != 0) return core::error(errno);
  if (S_ISDIR(about.st_mode)) return core::error(EISDIR);
  if (!pipes && !S_ISREG(about.st_mode)) return core::error(EINVAL);
  PrivateOctets out;
  out.mode = about.st_mode;
  out.octets.resize(max + 1);  // at once: what grows leaves copies behind
  std::size_t have = 0;
  while (have < out.octets.size()) {
    const ssize_t got = ::read(in.fd, out.octets.data() + have, out.octets.size() - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return core::error(errno);
    if (got == 0) break;
    have += static_cast<std::size_t>(got);
  }
  if (have > max) return core::error(EFBIG);
  out.octets.resize(have);
  return out;
}

}  // namespace sekisho::store
