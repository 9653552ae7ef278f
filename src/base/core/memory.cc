#include "base/core/memory.h"

#include <algorithm>
#include <fstream>
#include <optional>
#include <sstream>

#include "base/core/text.h"

namespace sekisho::core {

namespace {

std::optional<std::uint64_t> number_in(const std::string& path) {
  std::ifstream file(path);
  std::string word;
  if (!(file >> word)) return {};
  return parse_uint(word);  // "max" is none
}

// The least limit of a group and of those above it.
void narrow(std::uint64_t& least, const std::string& mount, std::string group, const std::string& file) {
  for (;;) {
    if (const auto limit = number_in(mount + group + "/" + file); limit && *limit > 0) least = std::min(least, *limit);
    if (group.empty() || group == "/") return;
    group.erase(group.rfind('/'));
  }
}

}  // namespace

std::uint64_t memory_allowed_bytes(const std::string& root) {
  std::uint64_t least = UINT64_MAX;
  std::ifstream meminfo(root + "/proc/meminfo"), groups(root + "/proc/self/cgroup");
  std::string line;
  while (std::getline(meminfo, line)) {
    std::istringstream words(line);
    std::string name;
    std::uint64_t kib = 0;
    if (words >> name >> kib && name == "MemTotal:") least = kib * 1024;
  }
  while (std::getline(groups, line)) {
    const auto first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",",
                      group = line.substr(second + 1);
    if (controllers == ",,") narrow(least, root + "/sys/fs/cgroup", group, "memory.max");
    if (controllers.find(",memory,") == std::string::npos) continue;
    narrow(least, root + "/sys/fs/cgroup/memory", group, "memory.limit_in_bytes");
  }
  return least == UINT64_MAX ? 0 : least;
}

}  // namespace sekisho::core
