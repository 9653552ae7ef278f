#pragma once
// Which index entries an event makes. Pure: no clock, no network, no config. Private to trail.
#include <span>

#include "base/store/index.h"
#include "trail/event.h"

namespace sekisho::trail {

using IndexValue = std::array<char, 16>;

// Numbers of the index's kinds; the index can be rebuilt, so they may change.
enum class Key : std::uint8_t {
  kStory = 1,  // transaction or session id: all its events
  kTime,       // every event that begins a story
  kMessageId,
  kQueueId,
  kMailFrom,
  kRecipient,  // the keyed hash as it is
  kClientIp,
  kDomain,
  kDigest,
};

IndexValue index_text(std::string_view text);  // case does not count
IndexValue index_octets(std::string_view octets);
IndexValue index_ip(const core::IpAddress& ip);
IndexValue index_id(const TransactionId& id);
std::string_view bare_message_id(std::string_view text);  // without angle brackets and spaces around

void apply(const store::Position& at, std::int64_t time_us, const Event& event, std::vector<store::IndexEntry>& out);

}  // namespace sekisho::trail
