#pragma once
// The PROXY protocol (HAProxy's proxy-protocol.txt, versions 1 and 2) on the receiving side, without a socket. A proxy
// puts one header in front of the client's octets; the reader takes exactly that header and not one octet more, so what
// follows is the client's alone. Nothing but addresses is kept, whatever the header's length; one thread at a time.
// Who may send a header is not decided here.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/core/ip_address.h"

namespace sekisho::proxy {

enum class Fault : std::uint8_t {
  kNone,
  kNotProxy,  // the octets begin like no header
  kVersion,   // neither version 1 nor 2, or a command that does not exist
  kFamily,    // a client that cannot speak SMTP (UDP), or one that is not named where it must be
  kLength,    // too short for its addresses, or a version 1 line over 107 octets
  kSyntax,    // version 1: not of the form "PROXY TCP4 ADDRESS ADDRESS PORT PORT"
};
std::string_view word(Fault fault);

struct Header {
  // False: the proxy speaks for itself (LOCAL, UNKNOWN, a Unix socket): the connection's own addresses count.
  bool names_client = false;
  core::IpAddress client_ip, local_ip;  // IPv4 mapped
  std::uint16_t client_port = 0, local_port = 0;
};

class Reader {
 public:
  // Octets that belong to the header for certain; 0 once it is whole or faulty. Never more than what is left of it.
  std::size_t needs() const;
  // At most needs() octets. How they are cut changes nothing.
  void feed(std::string_view octets);
  Fault fault() const { return fault_; }
  // Once needs() is 0 and there is no fault.
  const Header& header() const { return header_; }

 private:
  void look();
  void look_v2();
  void take_v2();
  void take_v1();
  void end(Fault fault) { fault_ = fault, done_ = true; }

  std::string octets_;        // of the header so far, without what stands behind the addresses
  std::uint32_t unread_ = 0;  // of version 2's block, once its length is known
  bool sized_ = false, done_ = false;
  Fault fault_ = Fault::kNone;
  Header header_;
};

}  // namespace sekisho::proxy
