#pragma once
// Inner header: probes that leave mail at the recipient the operator named, each on a connection of its own.
#include "service/doctor/checks.h"
#include "service/doctor/raw_client.h"

namespace sekisho::doctor {

struct ProbeTarget {
  const transfer::Options& hop;
  std::string rcpt;
  std::int64_t silence_ms;  // a server that says nothing for so long has not seen an end of data
};

struct Handed {
  RawReply reply;  // to the end of data, or the refusal before it
  std::int64_t took_ms = 0;
};
// One whole message, its lines as they are (dot-stuffed, with its end).
core::Task<Handed> hand_over(const ProbeTarget& target, std::string octets, bool eight_bit);

core::Task<void> probe_line_ends(Visit visit, ProbeTarget target);
core::Task<void> probe_contents(Visit visit, ProbeTarget target);
core::Task<void> probe_chunking(Visit visit, ProbeTarget target);
// The first one: how long the next hop takes for a good mail sets how long silence must last for the others.
core::Task<std::int64_t> probe_arrival(Visit visit, ProbeTarget target);

// Waits for a mail in the mailbox; nothing after ten seconds.
core::Task<std::optional<std::string>> wait_for_mail(Visit visit, std::string mailbox, std::string marker);
std::string new_marker(Visit visit);
// A connection as the settings of the hop want it; null: failure says why.
core::Task<std::unique_ptr<RawClient>> open_as_set(const transfer::Options& hop, std::string& failure);

}  // namespace sekisho::doctor
