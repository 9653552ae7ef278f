#pragma once
// A zone overlay: names of a master file (RFC 1035 section 5) answered in place of the DNS. For tests, for
// `--zone FILE` and for the lab. The file is the operator's own; it must not come from outside.
//
// Origins: every $ORIGIN of the file and every owner name (of a wildcard *.x: x). At or below an origin a missing name
// is NXDOMAIN, a name that only has names below it is NoData; neither is ever asked below. `$ORIGIN .` covers all
// names. A file without $ORIGIN reads relative names below the root.
//
// Faults are scripted by comments: `;!servfail NAME [TYPE]`, `;!timeout NAME [TYPE]`; NAME as an owner would be
// written.
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/core/result.h"
#include "base/dns/dns.h"
#include "base/dns/name.h"

namespace sekisho::dns {

struct ZoneError {
  unsigned line = 0;  // from 1; 0: the file itself
  std::string what;   // what is wrong and what is allowed
  std::string text() const { return line ? "line " + std::to_string(line) + ": " + what : what; }
};

class Zone {
 public:
  // Understood: $ORIGIN, $TTL, relative names, @, blank owner, parentheses, quoted and bare strings with \X and \DDD,
  // class and TTL (also 1h30m) in any order, A AAAA NS CNAME SOA PTR MX TXT SPF TLSA, TYPEn, and \# generic RDATA
  // (RFC 3597). A string over 255 octets is split, so a key can stand in one piece. Not understood: $INCLUDE.
  static core::Result<Zone, ZoneError> parse(std::string_view text);
  static core::Result<Zone, ZoneError> read(const std::string& path);  // at most 64 MiB

  // For tests. Names are absolute. `rdata` is master-file text, but for TXT and SPF the text itself, octet by octet.
  // A record that is given twice stays twice: a hostile server may send it so.
  // False, and nothing added, when the owner or the RDATA cannot be read, or a second, other CNAME would come to the
  // owner.
  bool add(std::string_view owner, Type type, std::string_view rdata, std::uint32_t ttl_s = 300);
  bool add(const Name& owner, Type type, std::string_view rdata, std::uint32_t ttl_s = 300);
  bool add_wire(const Name& owner, Type type, std::string_view rdata, std::uint32_t ttl_s);  // uncompressed RDATA
  // Every query for the name ends so, also where it has records.
  bool add_fault(std::string_view name, Code code);
  // Only queries for this type; goes before the fault of the name.
  bool add_fault(std::string_view name, Type type, Code code);
  // Queries for those types of the name that have no records.
  bool add_fault_for_other_types(std::string_view name, Code code);
  bool add_origin(std::string_view name);

  struct RecordSet {
    std::uint32_t ttl_s = 0;         // the least of its records
    std::vector<std::string> rdata;  // uncompressed wire octets, in the order of the file
  };
  struct Node {
    std::map<Type, RecordSet> sets;
    std::map<Type, Code> type_faults;
    std::optional<Code> fault;
    std::optional<Code> other_types_fault;
  };
  const std::map<Name, Node>& nodes() const { return nodes_; }
  const std::vector<Name>& origins() const { return origins_; }  // those of $ORIGIN and add_origin

 private:
  std::map<Name, Node> nodes_;
  std::vector<Name> origins_;
};

// The zone in front of `below`; null below: names outside the zone are ServFail. Immutable and thread-safe.
// ready() for a name of the file is one hash look-up without allocation; wildcard answers (RFC 4592) and NXDOMAIN are
// made when asked. A CNAME beside other records only counts for types that are not there. A CNAME chain is followed
// inside the zone and from its edge below; a loop or more than 8 CNAMEs is kMalformed.
std::unique_ptr<Resolver> make_overlay(const Zone& zone, std::unique_ptr<Resolver> below);

}  // namespace sekisho::dns
