// Landlock has no library in Debian 12, and its three calls have no wrappers in glibc. Numbers that the kernel headers
// of the build machine may lack are here.
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/process/cage.h"

namespace sekisho::process {

namespace {
constexpr std::uint64_t kTruncate = 1u << 14, kIoctlDevice = 1u << 15;
constexpr std::uint64_t kReadFile = LANDLOCK_ACCESS_FS_READ_FILE;
constexpr std::uint64_t kRead = kReadFile | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr std::uint64_t kWriteFile = LANDLOCK_ACCESS_FS_WRITE_FILE | kTruncate;
constexpr std::uint64_t kWrite = kWriteFile | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
                                 LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
                                 LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_REFER;
constexpr std::uint64_t kNever = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
                                 LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK |
                                 LANDLOCK_ACCESS_FS_MAKE_SYM;

bool allow(int rules, const std::string& path, std::uint64_t rights) {
  const int fd = ::open(path.c_str(), O_PATH | O_CLOEXEC);
  if (fd < 0) return true;  // what is not there needs no rule
  struct stat about {};
  const bool folder = ::fstat(fd, &about) == 0 && S_ISDIR(about.st_mode);
  landlock_path_beneath_attr rule{};
  rule.parent_fd = fd;
  rule.allowed_access = folder ? rights : rights & (kReadFile | kWriteFile);
  const bool added = ::syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
  ::close(fd);
  return added;
}
}  // namespace

std::string confine_files(const Cage& cage) {
  const long abi = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (abi < 0) return std::string("this kernel has no Landlock (") + std::strerror(errno) + ")";
  // ABI 1 forbids every rename between folders, which a Maildir lives by.
  if (abi < 2) return "the Landlock of this kernel is too old (ABI 1, ABI 2 is needed: Linux 5.19)";
  landlock_ruleset_attr handled{};
  handled.handled_access_fs = kRead | kWrite | kNever;
  if (abi < 3) handled.handled_access_fs &= ~kTruncate;
  if (abi >= 5) handled.handled_access_fs |= kIoctlDevice;
  const std::uint64_t known = handled.handled_access_fs;
  const int rules =
      static_cast<int>(::syscall(SYS_landlock_create_ruleset, &handled, sizeof handled.handled_access_fs, 0));
  if (rules < 0) return std::string("landlock_create_ruleset: ") + std::strerror(errno);
  bool good = true;
  for (const auto& path : cage.read) good = allow(rules, path, kRead & known) && good;
  for (const auto& path : cage.write) good = allow(rules, path, (kRead | kWrite) & known) && good;
  good = allow(rules, "/dev/null", (kReadFile | kWriteFile) & known) && good;
  good = good && ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::syscall(SYS_landlock_restrict_self, rules, 0) == 0;
  const int failure = errno;
  ::close(rules);
  return good ? "" : std::string("Landlock: ") + std::strerror(failure);
}

Confined confine(const Cage& cage) {
  Confined out;
  out.note = confine_files(cage);
  out.files = out.note.empty();
  const std::string calls = confine_calls();
  out.calls = calls.empty();
  if (!out.calls) out.note += (out.note.empty() ? "" : "; ") + calls;
  return out;
}

}  // namespace sekisho::process
