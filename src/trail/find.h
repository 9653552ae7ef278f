#pragma once
// From a query to stories. Private to trail.
#include "trail/projector.h"
#include "trail/trail.h"

namespace sekisho::trail {

struct Finder {
  const store::Ledger& ledger;
  store::Ledger& hashes;  // for recipient hashes of past days
  const Projector& projector;
  std::uint64_t seq_at_open;  // decided up to here without an outcome: unknown
  std::int64_t now_us;

  core::Result<Found, TrailError> find(const Query& query) const;
};
bool needs_reason(const Query& query);
std::string query_text(const Query& query, const std::string& recipient_shown);

}  // namespace sekisho::trail
