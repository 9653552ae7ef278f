#pragma once
#include <cstdint>
#include <string>

namespace sekisho::core {

// The memory this process may use: the smallest of the machine's and those of its control groups (v1 and v2); 0 when
// none can be read. The paths are those of proc(5) and cgroups(7), below `root` for tests.
std::uint64_t memory_allowed_bytes(const std::string& root = "");

}  // namespace sekisho::core
