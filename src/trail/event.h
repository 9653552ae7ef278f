#pragma once
// The events of the trail as typed values, and their codec. What each field means stands in events.def. All text is cut
// at kMaxText octets and lists at kMaxList items when encoded; controls are kept out by whoever makes the text
// printable.
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/core/ip_address.h"
#include "base/core/random.h"
#include "base/core/result.h"

namespace sekisho::trail {

constexpr std::size_t kMaxText = 1024, kMaxList = 1000;
using core::TransactionId;
using Digest = std::array<char, 32>;
using RecipientHash = std::array<char, 16>;

struct Client {
  core::IpAddress ip;
  std::uint16_t port = 0;
  core::IpAddress local_ip;
  std::uint16_t local_port = 0;
  std::string helo_domain, reverse_name, tls;
  // Where somebody trusted spoke for the client:
  core::IpAddress peer_ip;
  std::uint16_t peer_port = 0;
  std::string named_by;
  core::IpAddress relay_ip;
  bool operator==(const Client&) const = default;
};
struct Recipient {
  RecipientHash hash{};  // filled by Trail from address
  std::string domain;
  std::string address;  // Trail empties it unless recipients are kept plain
  std::string reply;
  bool operator==(const Recipient&) const = default;
};
struct FindingFact {
  std::string room, code, result, evidence;
  bool operator==(const FindingFact&) const = default;
};
struct Authentication {
  std::string method, result, domain, detail;
  bool operator==(const Authentication&) const = default;
};
struct ReasonFact {
  std::string stage, room, code, action, evidence;
  bool observed = false;
  bool operator==(const ReasonFact&) const = default;
};
struct Change {  // of an outgoing mail
  std::string kind, domain, detail, why;
  bool operator==(const Change&) const = default;
};
struct StageTime {
  std::string stage;
  std::uint64_t duration_us = 0;
  bool operator==(const StageTime&) const = default;
};

struct Decided {
  TransactionId transaction, session;
  Client client;
  std::string mail_from, submitter;  // submitter: of SUBMITTER= (RFC 4405)
  std::vector<Recipient> recipients;
  std::string message_id, author_address, author_domain;
  std::uint64_t size_bytes = 0;
  Digest digest{};
  std::vector<FindingFact> findings;
  std::vector<Authentication> authentication;
  std::string action, would_be, reply;
  std::vector<ReasonFact> reasons;
  std::string lawful_basis, override_reason, receipt;
  std::vector<StageTime> stage_times;
  std::string mode, road, config_id;
  std::vector<Change> changes;  // road "outbound"
  bool operator==(const Decided&) const = default;
};
struct Outcome {
  TransactionId transaction;
  std::string action, reply;  // what was done, what the client was told
  bool delivered = false;
  std::string next_hop, next_hop_reply, queue_id;
  std::vector<Recipient> recipients;  // only where their answers differ
  bool duplicate = false;
  std::uint64_t duration_us = 0;
  bool operator==(const Outcome&) const = default;
};
struct Sender {
  std::string mail_from;
  bool operator==(const Sender&) const = default;
};
struct Refused {
  TransactionId session;
  Client client;
  std::string mail_from;              // of the first one
  std::vector<Recipient> recipients;  // the first few
  std::uint64_t deferred = 0, rejected = 0;
  std::string reply, receipt;       // the last
  std::vector<ReasonFact> reasons;  // each once
  std::string lawful_basis, mode;
  std::uint64_t since_us = 0;
  std::vector<Sender> senders;  // the next few different ones
  bool operator==(const Refused&) const = default;
};
struct SessionSummary {
  TransactionId session;
  Client client;
  std::uint64_t transactions = 0, accepted = 0, deferred = 0, rejected = 0, recipients_seen = 0, unknown_recipients = 0;
  std::uint64_t commands = 0, bytes_in = 0, duration_us = 0;
  bool early_talker = false, unauthorised_pipelining = false, directory_harvest = false;
  std::string closed_by;
  bool operator==(const SessionSummary&) const = default;
};
struct Override {
  std::string kind, subject;  // "allow" "deny" "bypass"; bypass: "on" "off"
  std::uint64_t until_us = 0;
  std::string why, by_whom, lawful_basis;
  bool operator==(const Override&) const = default;
};
struct QueryAsked {
  std::string subject, why, by_whom;
  std::uint64_t found = 0;
  bool operator==(const QueryAsked&) const = default;
};
struct Started {
  std::string version, config_id;
  bool operator==(const Started&) const = default;
};
struct Stopped {
  std::string why;
  bool operator==(const Stopped&) const = default;
};
struct ConfigLoaded {
  std::string config_id, by_whom;
  bool operator==(const ConfigLoaded&) const = default;
};
struct IndexRebuilt {
  std::string why;
  bool operator==(const IndexRebuilt&) const = default;
};

using Event = std::variant<Decided, Outcome, Refused, SessionSummary, Override, QueryAsked, Started, Stopped,
                           ConfigLoaded, IndexRebuilt>;
enum class CodecError : std::uint8_t {
  kUnknown,  // a type this version does not know: skip it
  kDamaged,  // fields do not fit their types
};
std::uint16_t type_of(const Event& event);
std::string_view event_name(std::uint16_t type);  // "decided"; also "head" and "retention"; "" when unknown
std::string encode(const Event& event);
core::Result<Event, CodecError> decode(std::uint16_t type, std::string_view fields);

// The fields of any record as (name, printable value) rows in their order, groups flattened with dots: for `ledger
// show`.
std::vector<std::pair<std::string, std::string>> describe(std::uint16_t type, std::string_view fields);

}  // namespace sekisho::trail
