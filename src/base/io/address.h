#pragma once
// Inner header: Endpoint to and from the kernel's form.
#include <sys/socket.h>

#include "base/io/io.h"

namespace sekisho::io {

struct KernelAddress {
  sockaddr_storage storage{};
  socklen_t size = sizeof(sockaddr_storage);
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};
KernelAddress to_kernel(const Endpoint& endpoint);
Endpoint from_kernel(const KernelAddress& address);  // Unix sockets: all zero

}  // namespace sekisho::io
