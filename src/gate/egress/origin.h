#pragma once
// Where a mail in the queue came from, as its trace fields tell. They are read from the top, as far down as only
// machines in egress.clients wrote them: what stands below is anybody's.
#include <string_view>
#include <vector>

#include "base/core/network.h"
#include "mail/message/message.h"

namespace sekisho::egress {

struct Origin {
  const mail::HeaderField* gate = nullptr;  // our mx gate's Received: the mail is from outside. Null: not through it
  bool certain = false;                     // each hop above it can be read; else only good for doing less
};
// host: of our gate, as it stands behind "by".
Origin origin_of(const mail::Message& message, std::string_view host, const std::vector<core::Network>& clients);
// Did somebody behind the gate send this mail anew, as a list manager does? Then its return path is not the one that
// our gate heard (Received-SPF, envelope-from). False where that is not told.
bool sent_anew(const mail::Message& message, const Origin& origin, std::string_view mail_from);
// Fields of this name above the gate's Received: the gate wrote them, or who stands behind it.
std::vector<const mail::HeaderField*> above_gate(const mail::Message& message, const Origin& origin,
                                                 std::string_view name);

}  // namespace sekisho::egress
