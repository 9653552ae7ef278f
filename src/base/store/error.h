#pragma once
// What can go wrong with a store. Every error names the file and, where there is one, the offset.
#include <cstdint>
#include <string>

namespace sekisho::store {

enum class StoreErrorKind : std::uint8_t {
  kLocked,    // another process has the store open
  kNoSpace,   // ENOSPC, EDQUOT
  kIo,        // any other failure of the operating system; os_error says which
  kKey,       // a key file is missing, damaged, or readable by others
  kDamaged,   // the octets at file and offset are not what was written
  kNotFound,  // no such record (any more)
  kTooLarge,  // the record is over the limit
  kClosed,    // the store is closing
};

struct StoreError {
  StoreErrorKind kind = StoreErrorKind::kIo;
  std::string file;
  std::uint64_t offset = 0;
  int os_error = 0;
  std::string detail;
  // "no space left: /var/lib/sekisho/ledger/2026-11-24.000.log at offset 8192 (No space left on device)"
  std::string text() const;
};
StoreError os_failure(int os_error, std::string file, std::uint64_t offset, std::string detail);

}  // namespace sekisho::store
