#include "road/relay/relay.h"

#include "base/core/text.h"
#include "mail/received/received.h"

namespace sekisho::relay {
namespace {
constexpr unsigned kMostFields = 20;
}

Origin find(const mail::Message& message, const std::vector<core::Network>& relays, const core::IpAddress& peer,
            const std::string& helo) {
  Origin at{Found::kRelay, peer, helo, 0};
  for (const mail::HeaderField& field : message.fields()) {
    if (!core::iequals(field.name, "Received")) continue;
    if (at.fields == kMostFields) return {Found::kUnknown, peer, helo, at.fields};
    const received::Clause clause = received::parse(field.value);
    if (clause.kind == received::Kind::kUnreadable) return {Found::kUnknown, peer, helo, at.fields};
    ++at.fields;
    if (clause.kind == received::Kind::kLocal) return at;
    // A filter on the relay's own machine gives the mail back to it: the next field is still that relay's.
    if (clause.ip.is_loopback()) continue;
    at.ip = clause.ip;
    at.helo = clause.helo;
    if (core::in_any(relays, clause.ip)) continue;
    at.found = Found::kClient;
    return at;
  }
  return at;
}

}  // namespace sekisho::relay
