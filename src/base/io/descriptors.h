#pragma once
#include <cstdint>

namespace sekisho::io {

// Connections that were taken and hung up on at once because no descriptor was left, since the start. Thread-safe.
std::uint64_t descriptors_refused();

}  // namespace sekisho::io
