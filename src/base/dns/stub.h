#pragma once
// The stub resolver: asks recursive servers over UDP and TCP and keeps the answers (RFC 1035 section 7, RFC 5452).
//
// One object serves all loops. The cache is shared; sockets and queries under way belong to the loop they were made on
// and are made there when first needed, so lookup() must run on an io::Loop, and the object must outlive the loops.
// A loop that asked keeps one task of ours until its last socket is 10 s old; stopping the loop ends it at once. At
// most 256 fresh queries of a loop are out at a time, the rest stand in line within their own time.
// Equal look-ups on one loop share one query. Only the one that asks pays for it from its budget; a TCP retry or
// another server is not paid again, a CNAME whose end the server left out is.
//
// Kept: records by their least TTL (at most 1 h; TTL 0 not at all), NXDOMAIN and NODATA by their SOA (RFC 2308, at most
// 300 s; without SOA not at all), faults for 5 s. Nothing is served after its time.
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/core/clock.h"
#include "base/core/random.h"
#include "base/dns/dns.h"
#include "base/io/io.h"

namespace sekisho::dns {

struct StubOptions {
  std::vector<io::Endpoint> servers;  // asked in this order; empty: system_servers()
  std::uint32_t timeout_ms = 10'000;  // one look-up, all tries together
  std::uint32_t try_ms = 1'000;       // the first round over the servers; each further round waits twice as long
  std::uint32_t rounds = 2;           // tries of each server; the very last try waits up to 5 times try_ms
  std::size_t cache_bytes = 64u << 20;
  std::uint16_t edns_bytes = 1232;
  bool mixed_case = false;  // 0x20: random letter case in the first round, compared exactly
  bool operator==(const StubOptions&) const = default;
};

struct StubStats {
  std::uint64_t cache_hits = 0;  // found by ready() or lookup()
  std::uint64_t queries = 0;     // datagrams and TCP queries sent
  std::uint64_t replies = 0;     // that belonged to a query
  std::uint64_t shared = 0;      // look-ups that waited for the query of another
  std::uint64_t timeouts = 0;    // look-ups that ended so
  std::uint64_t servfails = 0;
  std::uint64_t tcp = 0;
  std::uint64_t rejected = 0;  // datagrams that belonged to no query
};

class StubResolver : public Resolver {
 public:
  virtual StubStats stats() const = 0;  // since the start; thread-safe
  virtual void flush() = 0;             // forgets all answers; thread-safe
};

// clock and random must outlive the resolver; random must be thread-safe.
std::unique_ptr<StubResolver> make_stub(StubOptions options, const core::Clock& clock, core::Random& random);

// The `nameserver` lines of a resolv.conf(5), at most three, port 53; without any: 127.0.0.1.
std::vector<io::Endpoint> system_servers(const std::string& path = "/etc/resolv.conf");

}  // namespace sekisho::dns
