// What the kernel still does for us once the server stands. The list was made by watching all journeys; what is not on
// it fails with EPERM, so that a library with a new habit loses that call and not a mail.
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "base/process/cage.h"

namespace sekisho::process {

namespace {

constexpr const char* kAllowed[] = {
    // files, by path (Landlock says which) and by descriptor
    "open",
    "openat",
    "openat2",
    "creat",
    "close",
    "close_range",
    "read",
    "write",
    "readv",
    "writev",
    "pread64",
    "pwrite64",
    "preadv",
    "pwritev",
    "preadv2",
    "pwritev2",
    "lseek",
    "stat",
    "lstat",
    "fstat",
    "newfstatat",
    "statx",
    "statfs",
    "fstatfs",
    "access",
    "faccessat",
    "faccessat2",
    "readlink",
    "readlinkat",
    "getdents",
    "getdents64",
    "getcwd",
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "unlink",
    "unlinkat",
    "mkdir",
    "mkdirat",
    "rmdir",
    "chmod",
    "fchmod",
    "fchmodat",
    "utimensat",
    "umask",
    "truncate",
    "ftruncate",
    "fallocate",
    "fsync",
    "fdatasync",
    "sync_file_range",
    "flock",
    "fadvise64",
    "readahead",
    "fcntl",
    "dup",
    "dup2",
    "dup3",
    "pipe2",
    "copy_file_range",
    "sendfile",
    "inotify_init1",
    "inotify_add_watch",
    "inotify_rm_watch",
    // the network
    "socketpair",
    "bind",
    "listen",
    "accept",
    "accept4",
    "connect",
    "shutdown",
    "getsockname",
    "getpeername",
    "getsockopt",
    "setsockopt",
    "sendto",
    "recvfrom",
    "sendmsg",
    "recvmsg",
    "sendmmsg",
    "recvmmsg",
    // waiting and time
    "poll",
    "ppoll",
    "select",
    "pselect6",
    "epoll_create1",
    "epoll_ctl",
    "epoll_wait",
    "epoll_pwait",
    "epoll_pwait2",
    "eventfd2",
    "timerfd_create",
    "timerfd_settime",
    "nanosleep",
    "clock_nanosleep",
    "clock_gettime",
    "clock_getres",
    "gettimeofday",
    "time",
    "times",
    "pause",
    // memory
    "brk",
    "munmap",
    "mremap",
    "madvise",
    "mincore",
    "msync",
    "mlock",
    "munlock",
    "membarrier",
    "getrandom",
    // threads and the process itself
    "futex",
    "futex_waitv",
    "set_robust_list",
    "get_robust_list",
    "rseq",
    "set_tid_address",
    "sched_yield",
    "sched_getaffinity",
    "sched_setaffinity",
    "sched_getparam",
    "sched_getscheduler",
    "getcpu",
    "gettid",
    "getpid",
    "getppid",
    "getuid",
    "geteuid",
    "getgid",
    "getegid",
    "getgroups",
    "getresuid",
    "getresgid",
    "getrusage",
    "getrlimit",
    "prlimit64",
    "setrlimit",
    "getpriority",
    "sysinfo",
    "uname",
    "exit",
    "exit_group",
    "restart_syscall",
    "arch_prctl",
    "capget",
    // signals
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "rt_sigpending",
    "rt_sigtimedwait",
    "sigaltstack",
};

// Nothing here ever makes these: whoever does is not us any more.
constexpr const char* kEnding[] = {
    "execve",
    "execveat",
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "pidfd_getfd",
    "bpf",
    "perf_event_open",
    "kexec_load",
    "kexec_file_load",
    "init_module",
    "finit_module",
    "delete_module",
    "mount",
    "umount2",
    "pivot_root",
    "chroot",
    "unshare",
    "setns",
    "move_mount",
    "open_tree",
    "fsopen",
    "fsmount",
    "mount_setattr",
    "iopl",
    "ioperm",
    "reboot",
    "swapon",
    "swapoff",
    "open_by_handle_at",
    "acct",
};

class Filter {
 public:
  Filter() : context_(seccomp_init(SCMP_ACT_ERRNO(EPERM)), seccomp_release) {
    if (!context_) failure_ = ENOMEM;
    set(SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    set(SCMP_FLTATR_CTL_TSYNC, 1);
    set(SCMP_FLTATR_CTL_OPTIMIZE, 2);  // a binary tree instead of a list of two hundred
  }
  void set(scmp_filter_attr attribute, std::uint32_t value) {
    if (!failure_) failure_ = -seccomp_attr_set(context_.get(), attribute, value);
  }
  template <class... Conditions>
  void rule(std::uint32_t action, const char* name, Conditions... conditions) {
    const int number = seccomp_syscall_resolve_name(name);
    if (failure_ || number == __NR_SCMP_ERROR) return;  // younger than this libseccomp
    const int done = seccomp_rule_add(context_.get(), action, number, sizeof...(conditions), conditions...);
    if (done != 0 && done != -EDOM) failure_ = -done;  // EDOM: this machine has no such call
  }
  int load() {
    if (!failure_) failure_ = -seccomp_load(context_.get());
    return failure_;
  }

 private:
  std::unique_ptr<void, decltype(&seccomp_release)> context_;
  int failure_ = 0;
};

constexpr scmp_arg_cmp is(unsigned argument, std::uint64_t value) { return {argument, SCMP_CMP_EQ, value, 0}; }
constexpr scmp_arg_cmp masked(unsigned argument, std::uint64_t mask, std::uint64_t value) {
  return {argument, SCMP_CMP_MASKED_EQ, mask, value};
}

}  // namespace

std::string confine_calls() {
  Filter filter;
  for (const char* name : kAllowed) filter.rule(SCMP_ACT_ALLOW, name);
  for (const char* name : kEnding) filter.rule(SCMP_ACT_KILL_PROCESS, name);
  // Threads, no processes. The flags of clone3 lie in memory, where no filter sees them; glibc then takes clone.
  filter.rule(SCMP_ACT_ALLOW, "clone", masked(0, CLONE_THREAD | CLONE_VM, CLONE_THREAD | CLONE_VM));
  filter.rule(SCMP_ACT_ERRNO(ENOSYS), "clone3");
  for (const int family : {AF_INET, AF_INET6, AF_UNIX})
    for (const int type : {SOCK_STREAM, SOCK_DGRAM})
      filter.rule(SCMP_ACT_ALLOW, "socket", is(0, static_cast<std::uint64_t>(family)),
                  masked(1, 0xf, static_cast<std::uint64_t>(type)));
  // No memory becomes executable any more.
  filter.rule(SCMP_ACT_ALLOW, "mmap", masked(2, PROT_EXEC, 0));
  filter.rule(SCMP_ACT_ALLOW, "mprotect", masked(2, PROT_EXEC, 0));
  for (const int option : {PR_SET_NAME, PR_GET_NAME, PR_GET_DUMPABLE, PR_GET_SECCOMP, PR_GET_NO_NEW_PRIVS})
    filter.rule(SCMP_ACT_ALLOW, "prctl", is(0, static_cast<std::uint64_t>(option)));
  // abort() signals itself; nobody else is signalled.
  filter.rule(SCMP_ACT_ALLOW, "tgkill", is(0, static_cast<std::uint64_t>(::getpid())));
  const int failure = filter.load();
  return failure == 0 ? "" : std::string("seccomp: ") + std::strerror(failure);
}

}  // namespace sekisho::process
