#pragma once
// This process and its surroundings: sockets handed in by the service manager, what is told to it, the user we run as,
// and the cage we lock ourselves into. Everything but Notifier is called at start, while there is one thread.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"

namespace sekisho::process {

struct HandedSocket {
  int fd = -1;
  std::string name;  // FileDescriptorName= of the socket unit; "" when it gave none
};
// sd_listen_fds(3): descriptors from 3 on, when LISTEN_PID names this process. The variables are taken out of the
// environment, so that no child believes them. An error: the variables contradict themselves.
core::Result<std::vector<HandedSocket>, std::string> handed_sockets();

// sd_notify(3). Without NOTIFY_SOCKET nothing is sent. Never waits, but for ready() at most one second. Thread-safe.
class Notifier {
 public:
  static Notifier from_environment();           // takes NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID out of it
  explicit Notifier(std::string address = "");  // a path, or '@' and an abstract name
  Notifier(Notifier&& other) noexcept;
  Notifier& operator=(Notifier&&) = delete;
  ~Notifier();

  bool active() const { return fd_ >= 0; }
  std::int64_t watchdog_ms() const { return watchdog_ms_; }  // 0: nobody watches; else alive() is due within it
  void ready(std::string_view status);
  void reloading();
  void stopping(std::string_view status);
  void status(std::string_view text);  // one line
  bool alive();

 private:
  bool send(const std::string& text);
  int fd_ = -1;
  std::string address_;
  std::int64_t watchdog_ms_ = 0;
};

struct User {
  std::string name;
  std::uint32_t uid = 0, gid = 0;
  std::vector<std::uint32_t> groups;  // all, gid among them
};
core::Result<User, std::string> find_user(const std::string& name);
bool is_root();
// For good: groups, gid, uid, capabilities and their bounding set; then it is tried whether anything of it can be
// regained. "" or what went wrong: the process must not go on then.
std::string become(const User& user);
// Whether this process may open the file for reading as who it is now.
bool can_read(const std::string& path);

// The cage. Landlock: files below `read` can be read, below `write` also written, nothing can be executed; needs ABI 2
// (Linux 5.19). seccomp: system calls a mail gate has no use for fail with EPERM, and those that only an intruder makes
// (execve, ptrace, bpf, mount, modules ...) end the process. New executable memory is refused. Both reach every thread
// that is made later. A path that is not there is left out.
struct Cage {
  std::vector<std::string> read, write;
};
struct Confined {
  bool files = false, calls = false;  // Landlock, seccomp
  std::string note;                   // why one of them is missing; "" when none is
};
Confined confine(const Cage& cage);
// Sanitizers need what the cage forbids (they open /proc and stop the world at the end).
constexpr bool built_with_sanitizers() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return true;
#else
  return false;
#endif
}

}  // namespace sekisho::process
