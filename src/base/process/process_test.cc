#include "base/process/process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

namespace sekisho::process {
namespace {

struct Folder {
  std::string path;
  Folder() {
    char name[] = "/tmp/sekisho-process-XXXXXX";
    path = ::mkdtemp(name);
    ::chmod(path.c_str(), 0755);
  }
  ~Folder() { std::filesystem::remove_all(path); }
};

// What a child answers: its exit status, or the negative number of the signal that ended it.
int child(const std::function<int()>& act) {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(act());
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

constexpr int kDone = 0, kNoCage = 99;
int errno_of(bool done) { return done ? kDone : errno; }

// The same deed with the cage and without it.
struct Both {
  int inside, outside;
};
Both both(const Cage& cage, const std::function<int()>& act) {
  const auto caged = [&] {
    const Confined confined = confine(cage);
    if (!confined.calls || !confined.files) return kNoCage;
    return act();
  };
  return {child(caged), child(act)};
}

class InTheCage : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(folder.path + "/state/deep");
    std::filesystem::create_directories(folder.path + "/etc");
    std::filesystem::create_directories(folder.path + "/else");
    for (const char* name : {"/state/a", "/etc/a", "/else/a"}) std::ofstream(folder.path + name) << "x";
    cage = {{folder.path + "/etc", "/usr", "/lib", "/proc"}, {folder.path + "/state"}};
    // A kernel without Landlock or seccomp cannot show anything; said aloud.
    const int there = child([this] { return confine(cage).note.empty() ? 0 : 1; });
    if (there != 0) GTEST_SKIP() << "this kernel gives no whole cage: " << confine_note();
  }
  std::string confine_note() {
    int ends[2];
    if (::pipe(ends) != 0) return "";
    child([&] {
      const std::string note = confine(cage).note;
      return ::write(ends[1], note.data(), note.size()) < 0 ? 1 : 0;
    });
    ::close(ends[1]);
    char text[512];
    const auto size = ::read(ends[0], text, sizeof text);
    ::close(ends[0]);
    return {text, size > 0 ? static_cast<std::size_t>(size) : 0};
  }
  int open_as(const char* name, int flags) {
    const int fd = ::open((folder.path + name).c_str(), flags, 0600);
    const int failure = errno_of(fd >= 0);
    if (fd >= 0) ::close(fd);
    return failure;
  }
  Folder folder;
  Cage cage;
};

TEST_F(InTheCage, NothingIsExecuted) {
  const auto act = [] {
    char name[] = "/bin/true";
    char* const words[] = {name, nullptr};
    ::execve(name, words, nullptr);
    return errno;
  };
  const Both got = both(cage, act);
  EXPECT_EQ(got.inside, -SIGSYS);
  EXPECT_EQ(got.outside, 0);
}

TEST_F(InTheCage, NobodyIsTraced) {
  const auto act = [] { return errno_of(::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) == 0); };
  const Both got = both(cage, act);
  EXPECT_EQ(got.inside, -SIGSYS);
  EXPECT_EQ(got.outside, kDone);
}

TEST_F(InTheCage, ThereAreThreadsButNoProcesses) {
  const auto fork_one = [] {
    const pid_t pid = ::fork();
    if (pid == 0) ::_exit(0);
    return errno_of(pid > 0);
  };
  const Both got = both(cage, fork_one);
  EXPECT_EQ(got.inside, EPERM);
  EXPECT_EQ(got.outside, kDone);
  const auto start_thread = [] {
    int seen = 1;
    std::thread([&seen] { seen = 0; }).join();
    return seen;
  };
  EXPECT_EQ(both(cage, start_thread).inside, kDone);
}

TEST_F(InTheCage, AThreadMadeLaterIsInIt) {
  const auto act = [this] {
    int failure = 0;
    std::thread([&] { failure = open_as("/else/a", O_RDONLY); }).join();
    return failure;
  };
  const Both got = both(cage, act);
  EXPECT_EQ(got.inside, EACCES);
  EXPECT_EQ(got.outside, kDone);
}

TEST_F(InTheCage, OnlyTheStateIsWritten) {
  struct Case {
    const char* name;
    int flags, inside;
  };
  const Case cases[] = {{"/state/a", O_RDWR, kDone},
                        {"/state/new", O_RDWR | O_CREAT, kDone},
                        {"/state/a", O_WRONLY | O_TRUNC, kDone},
                        {"/etc/a", O_RDONLY, kDone},
                        {"/etc/a", O_WRONLY, EACCES},
                        {"/etc/a", O_RDONLY | O_TRUNC, EACCES},
                        {"/etc/new", O_RDWR | O_CREAT, EACCES},
                        {"/else/a", O_RDONLY, EACCES},
                        {"/else/a", O_WRONLY, EACCES}};
  for (const Case& one : cases) {
    const auto act = [&] { return open_as(one.name, one.flags); };
    const Both got = both(cage, act);
    EXPECT_EQ(got.inside, one.inside) << one.name << " " << one.flags;
    EXPECT_EQ(got.outside, kDone) << one.name << " " << one.flags;
  }
}

TEST_F(InTheCage, FilesMoveInsideTheStateOnly) {
  const auto inside = [this] {
    return errno_of(::rename((folder.path + "/state/a").c_str(), (folder.path + "/state/deep/a").c_str()) == 0);
  };
  EXPECT_EQ(both(cage, inside).inside, kDone);
  std::ofstream(folder.path + "/state/a") << "x";
  const auto out = [this] {
    return errno_of(::rename((folder.path + "/state/a").c_str(), (folder.path + "/else/b").c_str()) == 0);
  };
  const Both got = both(cage, out);
  EXPECT_TRUE(got.inside == EACCES || got.inside == EXDEV) << got.inside;
  EXPECT_EQ(got.outside, kDone);
}

TEST_F(InTheCage, OddSocketsAreRefused) {
  const auto tcp = [] { return errno_of(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) >= 0); };
  EXPECT_EQ(both(cage, tcp).inside, kDone);
  const auto netlink = [] { return errno_of(::socket(AF_NETLINK, SOCK_RAW, 0) >= 0); };
  const Both got = both(cage, netlink);
  EXPECT_EQ(got.inside, EPERM);
  EXPECT_EQ(got.outside, kDone);
  const auto raw = [] { return errno_of(::socket(AF_INET, SOCK_RAW, 1) >= 0); };
  EXPECT_EQ(both(cage, raw).inside, EPERM);
}

TEST_F(InTheCage, NoMemoryBecomesExecutable) {
  const auto map = [](int protection) {
    void* at = ::mmap(nullptr, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return std::pair(at, errno_of(at != MAP_FAILED));
  };
  const auto fresh = [&] { return map(PROT_READ | PROT_EXEC).second; };
  const auto turned = [&] {
    const auto [at, failure] = map(PROT_READ | PROT_WRITE);
    return failure ? failure : errno_of(::mprotect(at, 4096, PROT_READ | PROT_EXEC) == 0);
  };
  const Both one = both(cage, fresh), two = both(cage, turned);
  EXPECT_EQ(one.inside, EPERM);
  EXPECT_EQ(one.outside, kDone);
  EXPECT_EQ(two.inside, EPERM);
  EXPECT_EQ(two.outside, kDone);
}

TEST_F(InTheCage, NobodyElseIsSignalled) {
  const pid_t other = ::getpid();
  const auto act = [other] { return errno_of(::kill(other, 0) == 0); };
  const Both got = both(cage, act);
  EXPECT_EQ(got.inside, EPERM);
  EXPECT_EQ(got.outside, kDone);
}

TEST_F(InTheCage, AbortStillEndsTheProcess) {
  const auto act = []() -> int {
    std::signal(SIGABRT, SIG_DFL);
    ::raise(SIGABRT);
    return 1;
  };
  EXPECT_EQ(both(cage, act).inside, -SIGABRT);
}

TEST(Become, CannotGoBack) {
  if (!is_root()) GTEST_SKIP() << "only root can become somebody else";
  const auto user = find_user("nobody");
  ASSERT_TRUE(user) << user.error();
  const auto act = [&] {
    const std::string fault = become(*user);
    if (!fault.empty()) return 10;
    if (::setuid(0) == 0 || ::seteuid(0) == 0 || ::setgid(0) == 0) return 11;
    if (::getuid() != user->uid || ::getgid() != user->gid) return 12;
    return ::open("/etc/shadow", O_RDONLY) >= 0 ? 13 : 0;
  };
  EXPECT_EQ(child(act), 0);
  // The control: somebody who is not root cannot become another, and is told so.
  const auto twice = [&] {
    if (!become(*user).empty()) return 10;
    const auto other = find_user("daemon");
    return other && become(*other).empty() ? 11 : 0;
  };
  EXPECT_EQ(child(twice), 0);
  EXPECT_NE(become({"root", 0, 0, {}}), "");
}

TEST(Become, AnUnknownUserIsNamed) {
  const auto nobody = find_user("no-such-user-here");
  ASSERT_FALSE(nobody);
  EXPECT_NE(nobody.error().find("no-such-user-here"), std::string::npos);
}

struct Environment {
  explicit Environment(std::vector<std::pair<const char*, std::string>> set) {
    for (const char* name :
         {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"})
      ::unsetenv(name);
    for (const auto& [name, value] : set) ::setenv(name, value.c_str(), 1);
  }
};
std::string me() { return std::to_string(::getpid()); }

TEST(Handed, ReadsWhatTheServiceManagerSays) {
  const auto act = [] {
    for (int fd = 3; fd < 6; ++fd) ::dup2(::open("/dev/null", O_RDONLY), fd);
    const Environment set({{"LISTEN_PID", me()}, {"LISTEN_FDS", "3"}, {"LISTEN_FDNAMES", "mx::unknown"}});
    const auto got = handed_sockets();
    if (!got || got->size() != 3) return 1;
    if ((*got)[0].fd != 3 || (*got)[0].name != "mx" || (*got)[1].name != "" || (*got)[2].name != "") return 2;
    if ((*got)[2].fd != 5 || !(::fcntl(5, F_GETFD) & FD_CLOEXEC)) return 3;
    return std::getenv("LISTEN_FDS") || std::getenv("LISTEN_PID") || std::getenv("LISTEN_FDNAMES") ? 4 : 0;
  };
  EXPECT_EQ(child(act), 0);
}

TEST(Handed, WhatIsNotForUsIsNotTaken) {
  for (const std::string& pid :
       {std::string(), std::string("1"), std::string("x"), std::string("99999999999999999999")}) {
    const Environment set({{"LISTEN_PID", pid}, {"LISTEN_FDS", "3"}});
    const auto got = handed_sockets();
    EXPECT_TRUE(got && got->empty()) << pid;
  }
  const Environment none({});
  EXPECT_TRUE(handed_sockets()->empty());
}

TEST(Handed, ContradictionsAreErrors) {
  for (const std::string& count : {std::string("-1"), std::string("1x"), std::string(""), std::string("5000000000")}) {
    const Environment set({{"LISTEN_PID", me()}, {"LISTEN_FDS", count}});
    EXPECT_FALSE(handed_sockets()) << count;
  }
  const Environment names({{"LISTEN_PID", me()}, {"LISTEN_FDS", "1"}, {"LISTEN_FDNAMES", "a:b"}});
  EXPECT_FALSE(handed_sockets());
  const Environment closed({{"LISTEN_PID", me()}, {"LISTEN_FDS", "1000"}});
  const auto got = handed_sockets();
  ASSERT_FALSE(got);
  EXPECT_NE(got.error().find("is not open"), std::string::npos);
}

// A service manager that only listens.
struct Manager {
  int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  explicit Manager(const std::string& address) {
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    address.copy(at.sun_path, sizeof at.sun_path - 1);
    if (address[0] == '@') at.sun_path[0] = '\0';
    const auto size = offsetof(sockaddr_un, sun_path) + address.size() + (address[0] == '@' ? 0 : 1);
    EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&at), static_cast<socklen_t>(size)), 0);
  }
  ~Manager() { ::close(fd); }
  std::string next() const {
    pollfd one{fd, POLLIN, 0};
    if (::poll(&one, 1, 2000) != 1) return "nothing came";
    char text[4096];
    return {text, static_cast<std::size_t>(::recv(fd, text, sizeof text, 0))};
  }
};

TEST(Notify, TellsByPathAndByAbstractName) {
  const Folder folder;
  for (const std::string& address : {folder.path + "/notify", "@sekisho-test-" + me()}) {
    const Manager manager(address);
    const Environment set({{"NOTIFY_SOCKET", address}, {"WATCHDOG_USEC", "30000000"}, {"WATCHDOG_PID", me()}});
    Notifier notifier = Notifier::from_environment();
    EXPECT_TRUE(notifier.active());
    EXPECT_EQ(notifier.watchdog_ms(), 30'000);
    EXPECT_EQ(std::getenv("NOTIFY_SOCKET"), nullptr);
    notifier.ready("takes mail");
    EXPECT_EQ(manager.next(), "READY=1\nSTATUS=takes mail\nMAINPID=" + me());
    notifier.reloading();
    const std::string told = manager.next();
    EXPECT_EQ(told.rfind("RELOADING=1\nMONOTONIC_USEC=", 0), 0u) << told;
    EXPECT_GT(std::stoll(told.substr(told.rfind('=') + 1)), 0);
    EXPECT_TRUE(notifier.alive());
    EXPECT_EQ(manager.next(), "WATCHDOG=1");
    notifier.stopping("drains");
    EXPECT_EQ(manager.next(), "STOPPING=1\nSTATUS=drains");
  }
}

TEST(Notify, WithoutAManagerItIsSilent) {
  for (const std::string& address :
       {std::string(), std::string("relative"), std::string("vsock:2:1"), std::string("@"), std::string(200, '/')}) {
    const Environment set({{"NOTIFY_SOCKET", address}, {"WATCHDOG_USEC", "1000000"}, {"WATCHDOG_PID", "1"}});
    Notifier notifier = Notifier::from_environment();
    EXPECT_FALSE(notifier.active()) << address;
    EXPECT_EQ(notifier.watchdog_ms(), 0);
    EXPECT_FALSE(notifier.alive());
  }
}

// With errno left at EAGAIN by whatever ran before, a server without a manager once waited a second for nobody.
TEST(Notify, ReadyWaitsForNobody) {
  Notifier notifier{std::string()};
  errno = EAGAIN;
  const auto before = std::chrono::steady_clock::now();
  notifier.ready("");
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::milliseconds(500));
}

TEST(Notify, AFullQueueIsNotWaitedFor) {
  const Folder folder;
  const Manager manager(folder.path + "/notify");
  Notifier notifier(folder.path + "/notify");
  int sent = 0;
  while (sent < 100'000 && notifier.alive()) ++sent;
  EXPECT_LT(sent, 100'000);
}

}  // namespace
}  // namespace sekisho::process
