#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/core/text.h"
#include "base/process/process.h"

namespace sekisho::process {

core::Result<User, std::string> find_user(const std::string& name) {
  passwd entry{};
  passwd* found = nullptr;
  std::vector<char> room(16384);
  const int failure = ::getpwnam_r(name.c_str(), &entry, room.data(), room.size(), &found);
  if (failure != 0) return core::error("the user database cannot be read: " + std::string(std::strerror(failure)));
  if (!found) return core::error("there is no user \"" + core::printable(name, 64) + "\" on this machine");
  User user{name, entry.pw_uid, entry.pw_gid, {}};
  int count = 64;
  std::vector<gid_t> groups(static_cast<std::size_t>(count));
  if (::getgrouplist(name.c_str(), entry.pw_gid, groups.data(), &count) < 0) {
    groups.resize(static_cast<std::size_t>(count));
    ::getgrouplist(name.c_str(), entry.pw_gid, groups.data(), &count);
  }
  user.groups.assign(groups.begin(), groups.begin() + count);
  return user;
}

bool is_root() { return ::geteuid() == 0; }

bool can_read(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd >= 0) ::close(fd);
  return fd >= 0;
}

namespace {
std::string failed(const char* what) { return std::string(what) + ": " + std::strerror(errno); }

bool has_capabilities() {
  __user_cap_header_struct head{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct sets[2]{};
  if (::syscall(SYS_capget, &head, sets) != 0) return true;
  for (const auto& set : sets)
    if (set.effective || set.permitted || set.inheritable) return true;
  return false;
}
}  // namespace

std::string become(const User& user) {
  if (user.uid == 0) return "\"" + user.name + "\" is root; name a user without rights";
  // The bounding set goes first: dropping it needs what the next steps give away. EINVAL: past the last capability.
  for (int capability = 0; capability < 64; ++capability)
    if (::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0 && errno != EINVAL) return failed("capability bounding set");
  const std::vector<gid_t> groups(user.groups.begin(), user.groups.end());
  if (::setgroups(groups.size(), groups.data()) != 0) return failed("setgroups");
  if (::setresgid(user.gid, user.gid, user.gid) != 0) return failed("setresgid");
  if (::setresuid(user.uid, user.uid, user.uid) != 0) return failed("setresuid");
  uid_t real = 0, effective = 0, saved = 0;
  if (::getresuid(&real, &effective, &saved) != 0 || real != user.uid || effective != user.uid || saved != user.uid)
    return "the user id did not change";
  if (::setresuid(0, 0, 0) == 0 || ::setresgid(0, 0, 0) == 0 || ::setgroups(0, nullptr) == 0 || has_capabilities())
    return "root's rights could be regained";
  return {};
}

}  // namespace sekisho::process
