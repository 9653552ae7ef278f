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

// Visits the records behind `after` in order and tells what could not be read.
ScanReport scan_catalog(const Catalog& catalog, const VerifyScope& scope, const Position& after, const Visitor& visit);

}  // namespace sekisho::store
