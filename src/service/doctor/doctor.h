#pragma once
// Looks at what a config names - DNS, certificates, files, clock, disk, limits, ports, next hops - and says of each
// thing whether it is well, what it means when it is not, and what to change. It changes nothing but for a file of its
// own in the state folder that it takes away again; octets that a mail server should refuse are sent to a next hop only
// when the operator names a recipient for them.
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/core/clock.h"
#include "base/core/random.h"
#include "base/core/task.h"
#include "base/dns/dns.h"
#include "base/io/certificate.h"
#include "base/io/io.h"
#include "road/identity/signing/signing.h"
#include "transfer/transfer.h"

namespace sekisho::doctor {

enum class Grade : std::uint8_t { kOk, kSkipped, kWarning, kFailure };
std::string_view word(Grade grade);  // "ok" "skipped" "warning" "failure"

// A row of checks.def: what is looked at, what it means when it is not well, and what to change where. Several lines in
// postfix and sendmail are parted by '\n'.
struct Check {
  std::string_view section, code, title_en, title_ja, means_en, means_ja, postfix, sendmail;
};
std::span<const Check> checks();
std::vector<std::string_view> sections();  // in the order they are examined

struct Finding {
  const Check* check;
  Grade grade;
  std::string subject;               // a domain, a file, a next hop
  std::string evidence;              // what was seen, printable
  std::vector<std::string> records;  // DNS records, files or commands, ready to be copied
};

struct Patient {
  struct LocalDomain {
    std::string name, next_hop;
    bool asks_hop;  // recipients are known by asking the next hop
  };
  std::string host, state_dir;
  std::vector<LocalDomain> domains;
  std::vector<io::Endpoint> listen;
  std::vector<io::CertificateFiles> certificates;
  std::vector<transfer::Options> hops;
  std::shared_ptr<const signing::KeyTable> signing;  // may be null
  std::vector<std::string> key_warnings;             // of key files, each begins with what it is about
  std::uint64_t free_bytes = 0, message_bytes = 0;
  std::size_t sessions_count = 0;
  bool served = false;  // a running serve answers on the control socket
};

struct Orders {
  std::vector<std::string> only;  // sections; empty: all
  std::string dnssec_name;        // a name known to be signed; empty: not asked
  std::string probe_rcpt;         // takes the probes' mail; empty: none is sent
  std::string mailbox;            // where mail to probe_rcpt arrives: a Maildir or an mbox file
};

// What the doctor works with; all outlive examine(), the resolvers also its loop.
struct Tools {
  dns::Resolver& resolver;                                       // as serve would ask
  std::vector<std::pair<io::Endpoint, dns::Resolver*>> servers;  // each server alone
  core::Clock& clock;
  core::Random& random;
  io::Pool& pool;
};

// Takes some seconds, a minute with probes. On a loop.
core::Task<std::vector<Finding>> examine(const Patient& patient, const Orders& orders, const Tools& tools);

// Records a domain may publish (RFC 7208, 7489, 8461, 8460; RFC 6698 for the host), as master-file lines.
std::string tlsa_record(std::string_view host, std::string_view key_sha256);
std::vector<std::string> mta_sts_records(std::string_view domain, std::span<const std::string> mx, std::int64_t now_s);

}  // namespace sekisho::doctor
