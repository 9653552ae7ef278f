#include "base/io/address.h"

#include <netinet/in.h>

#include <cerrno>
#include <cstring>

#include "base/core/text.h"
#include "base/io/reactor.h"

namespace sekisho::io {

std::optional<Endpoint> Endpoint::parse(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return {};
  const auto port = core::parse_uint(text.substr(colon + 1), 65535);
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  const auto ip = core::IpAddress::parse(host);
  // An IPv6 address needs its brackets: "::1:25" could be read in two ways.
  if (!port || !ip || bracketed != (host.find(':') != std::string_view::npos)) return {};
  return Endpoint{*ip, static_cast<std::uint16_t>(*port)};
}

std::string Endpoint::text() const {
  const std::string host = ip.text();
  return (ip.is_v4() ? host : "[" + host + "]") + ":" + std::to_string(port);
}

KernelAddress to_kernel(const Endpoint& endpoint) {
  KernelAddress out;
  if (endpoint.ip.is_v4()) {
    auto& v4 = reinterpret_cast<sockaddr_in&>(out.storage);
    v4.sin_family = AF_INET;
    v4.sin_port = htons(endpoint.port);
    v4.sin_addr.s_addr = htonl(endpoint.ip.v4_bits());
    out.size = sizeof v4;
  } else {
    auto& v6 = reinterpret_cast<sockaddr_in6&>(out.storage);
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(endpoint.port);
    std::memcpy(v6.sin6_addr.s6_addr, endpoint.ip.octets().data(), 16);
    out.size = sizeof v6;
  }
  return out;
}

Endpoint from_kernel(const KernelAddress& address) {
  if (address.storage.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address.storage);
    return {core::IpAddress::v4(ntohl(v4.sin_addr.s_addr)), ntohs(v4.sin_port)};
  }
  if (address.storage.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address.storage);
    std::array<std::uint8_t, 16> octets;
    std::memcpy(octets.data(), v6.sin6_addr.s6_addr, 16);
    return {core::IpAddress::v6(octets), ntohs(v6.sin6_port)};
  }
  return {};
}

std::string_view word(IoError error) {
  switch (error) {
    case IoError::kEof:
      return "closed by the peer";
    case IoError::kTimeout:
      return "timeout";
    case IoError::kReset:
      return "connection reset";
    case IoError::kRefused:
      return "connection refused";
    case IoError::kUnreachable:
      return "unreachable";
    case IoError::kCancelled:
      return "cancelled";
    case IoError::kTls:
      return "TLS error";
    case IoError::kInUse:
      return "address in use";
    case IoError::kDenied:
      return "permission denied";
    case IoError::kLimit:
      return "out of descriptors or memory";
    case IoError::kOther:
      return "I/O error";
  }
  return "I/O error";
}

IoError from_errno(int number) {
  switch (number) {
    case ECONNRESET:
    case EPIPE:
    case ECONNABORTED:
      return IoError::kReset;
    case ECONNREFUSED:
    case ENOENT:
      return IoError::kRefused;  // a Unix socket that is not there
    case ENETUNREACH:
    case EHOSTUNREACH:
    case EADDRNOTAVAIL:
    case ENETDOWN:
      return IoError::kUnreachable;
    case ETIMEDOUT:
      return IoError::kTimeout;
    case EADDRINUSE:
      return IoError::kInUse;
    case EACCES:
    case EPERM:
      return IoError::kDenied;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOBUFS:
      return IoError::kLimit;
    default:
      return IoError::kOther;
  }
}

}  // namespace sekisho::io
