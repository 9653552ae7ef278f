#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>

#include "base/core/text.h"
#include "base/process/process.h"

namespace sekisho::process {

namespace {
constexpr int kFirst = 3;  // SD_LISTEN_FDS_START
constexpr std::uint64_t kMost = 1024;

std::string taken_out(const char* name) {
  const char* value = std::getenv(name);
  std::string out = value ? value : "";
  ::unsetenv(name);
  return out;
}

std::vector<std::string> names_of(const std::string& text) {
  std::vector<std::string> out;
  if (text.empty()) return out;
  for (std::size_t at = 0;;) {
    const std::size_t colon = text.find(':', at);
    out.push_back(text.substr(at, colon == std::string::npos ? colon : colon - at));
    if (colon == std::string::npos) return out;
    at = colon + 1;
  }
}
}  // namespace

core::Result<std::vector<HandedSocket>, std::string> handed_sockets() {
  const std::string pid = taken_out("LISTEN_PID"), count = taken_out("LISTEN_FDS"), names = taken_out("LISTEN_FDNAMES");
  std::vector<HandedSocket> out;
  // Meant for another process of this tree, or for nobody.
  if (core::parse_uint(pid, INT32_MAX) != static_cast<std::uint64_t>(::getpid())) return out;
  const auto many = core::parse_uint(count, kMost);
  if (!many) return core::error("LISTEN_FDS=" + core::printable(count, 40) + " is not a number of sockets");
  const auto words = names_of(names);
  if (!words.empty() && words.size() != *many)
    return core::error("LISTEN_FDNAMES has " + std::to_string(words.size()) + " names for LISTEN_FDS=" + count);
  for (std::uint64_t i = 0; i < *many; ++i) {
    const int fd = kFirst + static_cast<int>(i);
    if (::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
      return core::error("LISTEN_FDS=" + count + ", but descriptor " + std::to_string(fd) + " is not open");
    out.push_back({fd, words.empty() || words[i] == "unknown" ? "" : words[i]});
  }
  return out;
}

}  // namespace sekisho::process
