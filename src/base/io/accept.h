#pragma once
// The accept loop of a small service: each connection is served by a task of its own. A short of descriptors is waited
// out, a cancelled listener ends the loop. `service` has listener, stopped and handler and is kept alive by the loop;
// serve(fd, handler) gives a Task<void>.
#include <memory>

#include "base/io/io.h"

namespace sekisho::io {

template <class Service, class Serve>
core::Task<void> accept_each(std::shared_ptr<Service> service, Serve serve) {
  while (!service->stopped) {
    auto fd = co_await service->listener.accept();
    if (fd) {
      spawn(serve(*fd, service->handler));
      continue;
    }
    if (fd.error() == IoError::kCancelled) co_return;
    auto slept = co_await sleep_until(now_ms() + 100);
    if (!slept) co_return;
  }
}

}  // namespace sekisho::io
