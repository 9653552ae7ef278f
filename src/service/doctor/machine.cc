#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

#include "base/core/text.h"
#include "service/doctor/checks.h"

namespace sekisho::doctor {
namespace {
std::string reason(int number) { return std::generic_category().message(number); }

std::string mode_text(const struct stat& info) {
  char text[64];
  std::snprintf(text, sizeof text, "mode %04o, uid %u", static_cast<unsigned>(info.st_mode & 07777),
                static_cast<unsigned>(info.st_uid));
  return text;
}

void file_mode(Visit visit, Id id, const std::string& path, mode_t forbidden) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) {
    visit.sheet.add(id, Grade::kFailure, path, reason(errno));
    return;
  }
  const bool open = (info.st_mode & forbidden) != 0;
  auto& finding = visit.sheet.add(id, open ? Grade::kFailure : Grade::kOk, path, mode_text(info));
  if (open) finding.records.push_back("chmod " + std::string(forbidden & 04 ? "o-rwx" : "o-w") + " " + path);
}

// The newest segment of the ledger by name and by time of writing, in seconds since the epoch.
std::optional<std::int64_t> newest_record_s(const std::string& folder) {
  std::optional<std::int64_t> newest;
  std::error_code fault;
  for (const auto& entry : std::filesystem::directory_iterator(folder, fault)) {
    struct stat info {};
    if (entry.path().extension() != ".log" || ::stat(entry.path().c_str(), &info) != 0) continue;
    std::int64_t time_s = info.st_mtim.tv_sec;
    std::tm day{};
    if (::strptime(entry.path().filename().c_str(), "%Y-%m-%d", &day))
      time_s = std::max<std::int64_t>(time_s, ::timegm(&day));
    newest = std::max(newest.value_or(time_s), time_s);
  }
  return newest;
}

// Microseconds of each of some small durable writes, or an errno.
core::Result<std::vector<std::int64_t>, int> time_syncs(const std::string& folder, core::Clock& clock) {
  constexpr int kWrites = 20;
  const std::string path = folder + "/.doctor-" + std::to_string(::getpid());
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return core::error(errno);
  ::unlink(path.c_str());
  std::vector<std::int64_t> times_us;
  const std::string block(4096, 'd');
  int fault = 0;
  for (int i = 0; i < kWrites && fault == 0; ++i) {
    const std::int64_t began_us = clock.now_us();
    if (::write(fd, block.data(), block.size()) != static_cast<ssize_t>(block.size()) || ::fdatasync(fd) != 0)
      fault = errno;
    times_us.push_back(clock.now_us() - began_us);
  }
  ::close(fd);
  if (fault != 0) return core::error(fault);
  std::sort(times_us.begin(), times_us.end());
  return times_us;
}

// Which inode listens on the endpoint's port; by /proc/net/tcp, /proc/net/tcp6.
std::string listening_inode(const io::Endpoint& at) {
  for (const char* table : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    std::ifstream in(table);
    std::string line;
    std::getline(in, line);
    while (std::getline(in, line)) {
      std::istringstream words(line);
      std::string slot, local, remote, state, skip, inode;
      words >> slot >> local >> remote >> state >> skip >> skip >> skip >> skip >> skip >> inode;
      const auto colon = local.find(':');
      if (state != "0A" || colon == std::string::npos) continue;
      if (std::strtoul(local.c_str() + colon + 1, nullptr, 16) == at.port) return inode;
    }
  }
  return {};
}

std::string program_of(const std::string& inode) {
  const std::string wanted = "socket:[" + inode + "]";
  std::error_code fault;
  for (const auto& process : std::filesystem::directory_iterator("/proc", fault)) {
    const std::string pid = process.path().filename();
    if (!core::parse_uint(pid)) continue;
    std::error_code denied;
    for (const auto& fd : std::filesystem::directory_iterator(process.path() / "fd", denied)) {
      std::error_code gone;
      if (std::filesystem::read_symlink(fd.path(), gone) != wanted) continue;
      std::string name;
      std::ifstream in(process.path() / "comm");
      std::getline(in, name);
      return name + " (pid " + pid + ")";
    }
  }
  return {};
}
}  // namespace

void examine_permissions(Visit visit) {
  const std::string& folder = visit.patient.state_dir;
  struct stat info {};
  if (::stat(folder.c_str(), &info) != 0) {
    const bool absent = errno == ENOENT;
    visit.sheet.add(Id::k_state_dir_mode, absent ? Grade::kSkipped : Grade::kFailure, folder,
                    absent ? "is not there yet; serve makes it" : reason(errno));
  } else {
    const bool open = (info.st_mode & 077) != 0, mine = ::geteuid() == 0 || info.st_uid == ::geteuid();
    auto& finding =
        visit.sheet.add(Id::k_state_dir_mode, open || !mine ? Grade::kFailure : Grade::kOk, folder, mode_text(info));
    if (open) finding.records.push_back("chmod 0700 " + folder);
  }
  for (const auto& files : visit.patient.certificates) {
    file_mode(visit, Id::k_key_mode, files.key, 07);
    if (files.certificate != files.key) file_mode(visit, Id::k_certificate_mode, files.certificate, 02);
  }
}

void examine_clock(Visit visit) {
  timex state{};
  const int kept = ::adjtimex(&state);
  char text[64];
  std::snprintf(text, sizeof text, "estimated error %.1f ms", static_cast<double>(state.esterror) / 1000);
  const bool bad = kept == TIME_ERROR || kept < 0 || (state.status & STA_UNSYNC) != 0;
  visit.sheet.add(Id::k_clock_synchronised, bad ? Grade::kWarning : Grade::kOk, "",
                  bad ? "the kernel calls it unsynchronised" : text);
  const std::string folder = visit.patient.state_dir + "/ledger";
  const auto newest_s = newest_record_s(folder);
  if (!newest_s) {
    visit.sheet.add(Id::k_clock_ledger, Grade::kSkipped, folder, "no segment yet");
    return;
  }
  constexpr std::int64_t kToleranceS = 5;
  const std::int64_t ahead_s = *newest_s - visit.tools.clock.now_s();
  visit.sheet.add(Id::k_clock_ledger, ahead_s > kToleranceS ? Grade::kFailure : Grade::kOk, folder,
                  ahead_s > kToleranceS ? "its newest segment is " + std::to_string(ahead_s) + " s ahead of the clock"
                                        : "written " + std::to_string(std::max<std::int64_t>(-ahead_s, 0)) + " s ago");
}

void examine_disk(Visit visit) {
  std::string folder = visit.patient.state_dir;
  struct statvfs room {};
  if (::access(folder.c_str(), F_OK) != 0) folder = std::filesystem::path(folder).parent_path();
  if (::statvfs(folder.c_str(), &room) != 0) {
    visit.sheet.add(Id::k_disk_free, Grade::kFailure, folder, reason(errno));
    return;
  }
  const std::uint64_t free = static_cast<std::uint64_t>(room.f_bavail) * room.f_frsize,
                      least = visit.patient.free_bytes;
  const Grade grade = free < least ? Grade::kFailure : free < least * 4 ? Grade::kWarning : Grade::kOk;
  visit.sheet.add(
      Id::k_disk_free, grade, folder,
      std::to_string(free >> 20) + " MiB free, ledger.free_bytes is " + std::to_string(least >> 20) + " MiB");
  const bool counted = room.f_files != 0;  // some file systems have no fixed number
  const Grade inodes = !counted || room.f_favail >= 100'000 ? Grade::kOk
                       : room.f_favail >= 1'000             ? Grade::kWarning
                                                            : Grade::kFailure;
  visit.sheet.add(Id::k_disk_inodes, inodes, folder,
                  counted ? std::to_string(room.f_favail) + " free" : "no fixed number");
  const auto times_us = time_syncs(folder, visit.tools.clock);
  if (!times_us) {
    visit.sheet.add(Id::k_disk_sync, Grade::kFailure, folder, "a file cannot be written: " + reason(times_us.error()));
    return;
  }
  const std::int64_t median_us = (*times_us)[times_us->size() / 2];
  visit.sheet.add(Id::k_disk_sync,
                  median_us > 200'000  ? Grade::kFailure
                  : median_us > 20'000 ? Grade::kWarning
                                       : Grade::kOk,
                  folder, "median " + ms_text(median_us) + ", longest " + ms_text(times_us->back()) + " of 20 writes");
}

void examine_limits(Visit visit) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const std::uint64_t needed = visit.patient.sessions_count * 2 + 512;
  const bool enough = limit.rlim_max == RLIM_INFINITY || limit.rlim_max >= needed;
  auto& finding = visit.sheet.add(Id::k_descriptors, enough ? Grade::kOk : Grade::kWarning, "RLIMIT_NOFILE",
                                  std::to_string(limit.rlim_max) + " allowed here, " + std::to_string(needed) +
                                      " are needed for " + std::to_string(visit.patient.sessions_count) + " sessions");
  if (!enough) finding.records.push_back("LimitNOFILE=" + std::to_string(needed));
  std::ifstream in("/proc/sys/net/core/somaxconn");
  std::uint64_t queue = 0;
  in >> queue;
  auto& backlog = visit.sheet.add(Id::k_backlog, queue >= 1024 ? Grade::kOk : Grade::kWarning, "net.core.somaxconn",
                                  std::to_string(queue));
  if (queue < 1024) backlog.records.push_back("sysctl -w net.core.somaxconn=4096");
}

void examine_ports(Visit visit) {
  for (const auto& at : visit.patient.listen) {
    auto tried = io::Listener::bind(at);
    if (tried) {
      const bool idle = !visit.patient.served;
      visit.sheet.add(Id::k_port, idle ? Grade::kOk : Grade::kWarning, at.text(),
                      idle ? "free" : "free, though serve runs: it listens elsewhere");
      continue;
    }
    const std::string inode = listening_inode(at);
    const std::string program = inode.empty() ? "" : program_of(inode);
    const bool ours = program.starts_with("sekisho ");
    visit.sheet.add(Id::k_port, ours ? Grade::kOk : Grade::kFailure, at.text(),
                    program.empty() ? std::string(io::word(tried.error())) : "held by " + program);
  }
}

}  // namespace sekisho::doctor
