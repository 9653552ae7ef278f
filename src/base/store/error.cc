#include "base/store/error.h"

#include <cerrno>
#include <system_error>

namespace sekisho::store {

namespace {
const char* word(StoreErrorKind kind) {
  switch (kind) {
    case StoreErrorKind::kLocked:
      return "opened by another process";
    case StoreErrorKind::kNoSpace:
      return "no space left";
    case StoreErrorKind::kIo:
      return "input/output failure";
    case StoreErrorKind::kKey:
      return "key file unusable";
    case StoreErrorKind::kDamaged:
      return "damaged";
    case StoreErrorKind::kNotFound:
      return "no such record";
    case StoreErrorKind::kTooLarge:
      return "record too large";
    case StoreErrorKind::kClosed:
      return "store is closing";
  }
  return "failure";
}
}  // namespace

std::string StoreError::text() const {
  std::string out = word(kind);
  if (!file.empty())
    out += ": " + file + (kind == StoreErrorKind::kLocked ? "" : " at offset " + std::to_string(offset));
  if (!detail.empty()) out += ": " + detail;
  if (os_error != 0) out += " (" + std::generic_category().message(os_error) + ")";
  return out;
}

StoreError os_failure(int os_error, std::string file, std::uint64_t offset, std::string detail) {
  const bool full = os_error == ENOSPC || os_error == EDQUOT;
  return {full ? StoreErrorKind::kNoSpace : StoreErrorKind::kIo, std::move(file), offset, os_error, std::move(detail)};
}

}  // namespace sekisho::store
