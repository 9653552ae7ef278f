#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/control/control.h"
#include "base/control/frame.h"

namespace sekisho::control {

namespace {
using Room = char[CMSG_SPACE(sizeof(int) * kMostDescriptors)];

// Waits until the descriptor is ready, or the deadline has passed.
bool ready(int fd, short what, std::int64_t deadline_ms) {
  for (;;) {
    pollfd one{fd, what, 0};
    const std::int64_t left_ms = std::clamp<std::int64_t>(deadline_ms - io::now_ms(), 0, 1'000'000);
    const int count = ::poll(&one, 1, static_cast<int>(left_ms));
    if (count > 0) return true;
    if (count == 0 || errno != EINTR) return false;
  }
}
}  // namespace

std::string frame(const std::string& octets) {
  const auto n = static_cast<std::uint32_t>(octets.size());
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(n >> shift);
  return out + octets;
}

std::size_t send_descriptors(int fd, std::string_view octets, std::span<const int> descriptors) {
  if (descriptors.size() > kMostDescriptors) return 0;
  alignas(cmsghdr) Room room{};
  iovec part{const_cast<char*>(octets.data()), octets.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = room;
  message.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
  cmsghdr* head = CMSG_FIRSTHDR(&message);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN(descriptors.size_bytes());
  std::memcpy(CMSG_DATA(head), descriptors.data(), descriptors.size_bytes());
  const ssize_t sent = ::sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  return sent > 0 ? static_cast<std::size_t>(sent) : 0;
}

Handing::Handing(Handing&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      text_(std::move(other.text_)),
      descriptors_(std::exchange(other.descriptors_, {})) {}
Handing::~Handing() {
  for (const int descriptor : descriptors_) ::close(descriptor);
  if (fd_ >= 0) ::close(fd_);
}

core::Result<Handing, io::IoError> Handing::ask(const std::string& path, const std::string& request,
                                                std::int64_t deadline_ms) {
  Handing out;
  sockaddr_un at{};
  if (path.empty() || path.size() >= sizeof at.sun_path) return core::error(io::IoError::kOther);
  at.sun_family = AF_UNIX;
  std::memcpy(at.sun_path, path.c_str(), path.size() + 1);
  out.fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (out.fd_ < 0) return core::error(io::IoError::kLimit);
  if (::connect(out.fd_, reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0)
    return core::error(errno == EACCES || errno == EPERM ? io::IoError::kDenied : io::IoError::kRefused);
  const std::string octets = frame(request);
  for (std::size_t gone = 0; gone < octets.size();) {
    const ssize_t sent = ::send(out.fd_, octets.data() + gone, octets.size() - gone, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return core::error(io::IoError::kReset);
    gone += static_cast<std::size_t>(sent);
  }
  const auto received = out.receive(deadline_ms);
  if (!received) return core::error(received.error());
  return out;
}

core::Result<void, io::IoError> Handing::receive(std::int64_t deadline_ms) {
  std::string octets;
  std::size_t size = SIZE_MAX;
  while (octets.size() < size) {
    if (!ready(fd_, POLLIN, deadline_ms)) return core::error(io::IoError::kTimeout);
    char buffer[4096];
    alignas(cmsghdr) Room room;
    iovec part{buffer, sizeof buffer};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = room;
    message.msg_controllen = sizeof room;
    const ssize_t count = ::recvmsg(fd_, &message, MSG_CMSG_CLOEXEC);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return core::error(io::IoError::kEof);
    for (cmsghdr* head = CMSG_FIRSTHDR(&message); head; head = CMSG_NXTHDR(&message, head)) {
      if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS) continue;
      const std::size_t many = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
      const std::size_t before = descriptors_.size();
      descriptors_.resize(before + many);
      std::memcpy(descriptors_.data() + before, CMSG_DATA(head), many * sizeof(int));
    }
    octets.append(buffer, static_cast<std::size_t>(count));
    if (size == SIZE_MAX && octets.size() >= 4) {
      size = 4;
      std::size_t length = 0;
      for (std::size_t i = 0; i < 4; ++i) length = length << 8 | static_cast<unsigned char>(octets[i]);
      size += length;
      if (length > kMaxFrame) return core::error(io::IoError::kLimit);
    }
  }
  text_ = octets.substr(4);
  return {};
}

bool Handing::wait_for_end(std::int64_t deadline_ms) const {
  char octet;
  while (ready(fd_, POLLIN, deadline_ms)) {
    const ssize_t count = ::recv(fd_, &octet, 1, MSG_DONTWAIT);
    if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) return true;
  }
  return false;
}

}  // namespace sekisho::control
