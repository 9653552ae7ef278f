#include "base/store/file_ops.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

namespace sekisho::store {

namespace {
core::Result<void, OsError> outcome(int status) {
  if (status != 0) return core::error(errno);
  return {};
}
}  // namespace

core::Result<int, OsError> FileOps::open(const std::string& path, int flags, unsigned mode) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
  if (fd < 0) return core::error(errno);
  return fd;
}

core::Result<std::size_t, OsError> FileOps::write(int fd, std::string_view octets, std::uint64_t offset) {
  ssize_t written;
  do {
    written = ::pwrite(fd, octets.data(), octets.size(), static_cast<off_t>(offset));
  } while (written < 0 && errno == EINTR);
  if (written < 0) return core::error(errno);
  if (written == 0 && !octets.empty()) return core::error(EIO);
  return static_cast<std::size_t>(written);
}

core::Result<void, OsError> FileOps::reserve(int fd, std::uint64_t from, std::uint64_t to) {
  static const std::string zeros(64 * 1024, '\0');
  while (from < to) {
    const auto written = FileOps::write(fd, std::string_view(zeros).substr(0, to - from), from);
    if (!written) return core::error(written.error());
    from += *written;
  }
  return {};
}

core::Result<void, OsError> FileOps::sync(int fd) { return outcome(::fdatasync(fd)); }

core::Result<void, OsError> FileOps::sync_folder(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return core::error(errno);
  const auto synced = outcome(::fsync(fd));
  ::close(fd);
  return synced;
}

core::Result<void, OsError> FileOps::truncate(int fd, std::uint64_t size) {
  return outcome(::ftruncate(fd, static_cast<off_t>(size)));
}

core::Result<void, OsError> FileOps::rename(const std::string& from, const std::string& to) {
  return outcome(::rename(from.c_str(), to.c_str()));
}

core::Result<void, OsError> FileOps::unlink(const std::string& path) { return outcome(::unlink(path.c_str())); }

core::Result<std::uint64_t, OsError> FileOps::free_bytes(const std::string& folder) {
  struct statvfs info {};
  if (::statvfs(folder.c_str(), &info) != 0) return core::error(errno);
  return static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize;
}

void FileOps::close(int fd) {
  if (fd >= 0) ::close(fd);
}

FileOps& FileOps::system() {
  static FileOps ops;
  return ops;
}

core::Result<void, OsError> replace_file(FileOps& files, const std::string& path, std::string_view octets,
                                         unsigned mode, bool durable) {
  const std::string fresh = path + ".new";
  (void)files.unlink(fresh);  // left by a crash, perhaps with another mode
  const auto fd = files.open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
  if (!fd) return core::error(fd.error());
  core::Result<void, OsError> result;
  for (std::size_t done = 0; result && done < octets.size();) {
    const auto written = files.write(*fd, octets.substr(done), done);
    if (!written)
      result = core::error(written.error());
    else
      done += *written;
  }
  if (result && durable) result = files.sync(*fd);
  files.close(*fd);
  if (result) result = files.rename(fresh, path);
  if (!result) return (void)files.unlink(fresh), result;
  if (!durable) return result;
  const auto slash = path.rfind('/');
  return files.sync_folder(slash == std::string::npos ? "." : path.substr(0, slash));
}

core::Result<std::string, OsError> read_file(const std::string& path, std::size_t max) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return core::error(errno);
  std::string out;
  char buffer[4096];
  ssize_t got;
  while ((got = ::read(fd, buffer, sizeof buffer)) > 0 && out.size() <= max)
    out.append(buffer, static_cast<std::size_t>(got));
  const OsError failure = got < 0 ? errno : out.size() > max ? EFBIG : 0;
  ::close(fd);
  if (failure != 0) return core::error(failure);
  return out;
}

}  // namespace sekisho::store
