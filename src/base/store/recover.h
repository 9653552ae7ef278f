#pragma once
// What open does with a ledger it finds: looks through the last segment, cuts a torn tail, tells everything. Private to
// base/store.
#include "base/store/catalog.h"
#include "base/store/private_file.h"
#include "base/store/writer.h"

namespace sekisho::store {

struct Recovered {
  Writer::Start start;
  Problems problems;
};
core::Result<Recovered, StoreError> recover(FileOps& files, const Catalog& catalog, const Signer& signer);

// The exclusive lock of a ledger folder, held while the object lives.
class FolderLock {
 public:
  static core::Result<FolderLock, StoreError> take(const std::string& folder);

 private:
  explicit FolderLock(FileLock lock) : lock_(std::move(lock)) {}
  FileLock lock_;
};

}  // namespace sekisho::store
