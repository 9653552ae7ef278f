#pragma once
// Verification of a whole ledger folder. Private to base/store.
#include "base/store/catalog.h"

namespace sekisho::store {

// `live`: the ledger is open; segments behind `last` and octets behind `end` are not there yet. Without: an unfinished
// last record is a problem.
struct VerifyScope {
  bool live = false;
  std::optional<SegmentName> last;
  std::uint64_t end = 0;
};
VerifyReport verify_catalog(const Catalog& catalog, const VerifyScope& scope);

// Walks the segments of days >= from_day in order and tells what could not be read.
ScanReport scan_catalog(const Catalog& catalog, const VerifyScope& scope, std::uint64_t from_seq, std::int32_t from_day,
                        const Visitor& visit);

}  // namespace sekisho::store
