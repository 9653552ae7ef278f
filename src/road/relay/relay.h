#pragma once
// Who is behind a trusted relay? A secondary MX hands us mail that others sent to it; what it was told by them stands
// in the Received fields it wrote on top. From there down, as long as a field names another trusted relay, the next
// field was written by that one; the first address that is not trusted is the client. Everything below is the client's
// own and is not looked at. Pure and re-entrant.
#include <cstdint>
#include <string>
#include <vector>

#include "base/core/ip_address.h"
#include "base/core/network.h"
#include "mail/message/message.h"

namespace sekisho::relay {

enum class Found : std::uint8_t {
  kClient,   // ip and helo are the client's
  kRelay,    // the mail began at a trusted relay: ip and helo are that relay's
  kUnknown,  // a trusted relay's field cannot be read, or there are too many
};

struct Origin {
  Found found = Found::kUnknown;
  core::IpAddress ip;
  std::string helo;
  unsigned fields = 0;  // Received fields that were believed
};

// peer, helo: the relay that hands the mail to us and what it calls itself.
Origin find(const mail::Message& message, const std::vector<core::Network>& relays, const core::IpAddress& peer,
            const std::string& helo);

}  // namespace sekisho::relay
