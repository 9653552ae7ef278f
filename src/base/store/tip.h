#pragma once
// The file `tip`: where the ledger ended at its last commit, so that whole records cut off its end are told even behind
// the last signed head. It is written in place after the records are durable and not synced: it may be older than the
// ledger, never newer. Private to base/store.
#include "base/store/catalog.h"
#include "base/store/file_ops.h"

namespace sekisho::store {

struct Tip {
  std::uint64_t seq = 0;
  Chain chain{};
};
std::string format_tip(const Tip& tip, const Salt& salt);
std::optional<Tip> parse_tip(std::string_view text, const Salt& salt);

// The writer's side; its thread's own. What cannot be written is left out: the next commit tries again.
class TipFile {
 public:
  TipFile(FileOps& files, const Catalog& catalog) : files_(files), catalog_(catalog) {}
  ~TipFile();
  TipFile(const TipFile&) = delete;
  void note(std::uint64_t seq, const Chain& chain);

 private:
  FileOps& files_;
  const Catalog& catalog_;
  int fd_ = -1;
};

// What the tip says against a ledger that ends so; nothing when it fits or there is none. On a mismatch `noted_seq` is
// the seq it names.
std::optional<Problem> compare_with_tip(const Catalog& catalog, std::uint64_t last_seq, const Chain& last_chain,
                                        std::uint64_t& noted_seq);

}  // namespace sekisho::store
