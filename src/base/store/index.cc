#include "base/store/index.h"

#include <rocksdb/compaction_filter.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <vector>

#include "base/store/fields.h"

#ifdef __SANITIZE_THREAD__
// The system's RocksDB is not built for ThreadSanitizer, which then sees its memcpy but not its atomics.
extern "C" const char* __tsan_default_suppressions() {
  return "called_from_lib:librocksdb.so\nrace:librocksdb.so\nrace:rocksdb::\n";
}
#endif

namespace sekisho::store {

namespace {
constexpr std::size_t kKeySize = 1 + 16 + 8 + 8, kValueSize = 4 + 2 + 8 + 2 + 16;
constexpr std::string_view kPositionKey("\0position", 9);  // kind 0 is not for entries

void put_be(std::string& out, std::uint64_t value) {
  for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift & 0xff);
}
std::uint64_t get_be(std::string_view octets) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < 8; ++i) value = value << 8 | static_cast<std::uint8_t>(octets[i]);
  return value;
}

std::string encode_key(const IndexKey& key) {
  std::string out;
  out.reserve(kKeySize);
  out += static_cast<char>(key.kind);
  out.append(key.value.data(), key.value.size());
  put_be(out, static_cast<std::uint64_t>(std::max<std::int64_t>(key.time_us, 0)));
  put_be(out, key.seq);
  return out;
}

void put_place(std::string& out, const Position& at) {
  put_le(out, static_cast<std::uint32_t>(at.day), 4);
  put_le(out, at.part, 2);
  put_le(out, at.offset, 8);
}
Position get_place(std::string_view octets, std::uint64_t seq) {
  return {seq, static_cast<std::int32_t>(get_le(octets.substr(0, 4))),
          static_cast<std::uint16_t>(get_le(octets.substr(4, 2))), get_le(octets.substr(6, 8))};
}

bool decode_entry(std::string_view key, std::string_view value, IndexEntry& entry) {
  if (key.size() != kKeySize || value.size() != kValueSize) return false;
  entry.key.kind = static_cast<std::uint8_t>(key[0]);
  std::copy_n(key.begin() + 1, 16, entry.key.value.begin());
  entry.key.time_us = static_cast<std::int64_t>(get_be(key.substr(17)));
  entry.key.seq = get_be(key.substr(25));
  entry.at = get_place(value, entry.key.seq);
  entry.type = static_cast<std::uint16_t>(get_le(value.substr(14, 2)));
  std::copy_n(value.begin() + 16, 16, entry.id.begin());
  return true;
}

class ExpireBySeq final : public rocksdb::CompactionFilter {
 public:
  explicit ExpireBySeq(const std::atomic<std::uint64_t>& first) : first_(first) {}
  bool Filter(int, const rocksdb::Slice& key, const rocksdb::Slice&, std::string*, bool*) const override {
    return key.size() == kKeySize && get_be({key.data() + 25, 8}) < first_.load();
  }
  const char* Name() const override { return "sekisho.expire_by_seq"; }

 private:
  const std::atomic<std::uint64_t>& first_;
};

StoreError failure(const std::string& folder, const rocksdb::Status& status) {
  const bool full = status.subcode() == rocksdb::Status::kNoSpace;
  const bool damaged = status.IsCorruption() || status.IsInvalidArgument() || status.IsNotSupported();
  const auto kind = full ? StoreErrorKind::kNoSpace : damaged ? StoreErrorKind::kDamaged : StoreErrorKind::kIo;
  return {kind, folder, 0, 0, status.ToString()};
}

rocksdb::Options make_options(const rocksdb::CompactionFilter* filter) {
  rocksdb::Options options;
  options.create_if_missing = true;
  options.paranoid_checks = true;
  // Small beside 10,000 idle sessions; a checkpoint at 200 mails a second is 3 MiB.
  options.db_write_buffer_size = 8u << 20;
  options.write_buffer_size = 4u << 20;
  options.max_background_jobs = 2;
  options.max_open_files = 256;
  options.keep_log_file_num = 2;
  options.info_log_level = rocksdb::WARN_LEVEL;
  options.compaction_filter = filter;
  options.compression = rocksdb::kNoCompression;  // keys and values are digests
  rocksdb::BlockBasedTableOptions table;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.cache_index_and_filter_blocks = true;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}
}  // namespace

struct Index::Impl {
  std::string folder;
  std::atomic<std::uint64_t> first_seq{0};
  ExpireBySeq filter{first_seq};
  std::unique_ptr<rocksdb::DB> db;  // goes before the filter
};

core::Result<std::unique_ptr<Index>, StoreError> Index::open(const std::string& folder) {
  // RocksDB may abort on what it finds; the mark makes the next start throw the index away instead of aborting for
  // ever.
  const std::string mark = folder + ".opening";
  struct stat info {};
  if (::stat(mark.c_str(), &info) == 0)
    return core::error(StoreError{StoreErrorKind::kDamaged, folder, 0, 0, "an earlier opening of it never ended"});
  if (auto marked = replace_file(FileOps::system(), mark, "", 0600, false); !marked)
    return core::error(os_failure(marked.error(), mark, 0, "marking the opening"));
  auto impl = std::make_unique<Impl>();
  impl->folder = folder;
  rocksdb::DB* db = nullptr;
  const auto status = rocksdb::DB::Open(make_options(&impl->filter), folder, &db);
  (void)FileOps::system().unlink(mark);
  if (!status.ok()) return core::error(failure(folder, status));
  impl->db.reset(db);
  return std::unique_ptr<Index>(new Index(std::move(impl)));
}

core::Result<void, StoreError> Index::destroy(const std::string& folder) {
  std::error_code failed;
  std::filesystem::remove_all(folder, failed);
  if (failed) return core::error(os_failure(failed.value(), folder, 0, "throwing the index away"));
  std::filesystem::remove(folder + ".opening", failed);
  return {};
}

Index::Index(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Index::~Index() {
  (void)flush();
  (void)impl_->db->Close();
}

Position Index::position() const {
  std::string value;
  const auto status =
      impl_->db->Get(rocksdb::ReadOptions(), rocksdb::Slice(kPositionKey.data(), kPositionKey.size()), &value);
  if (!status.ok() || value.size() != 8 + 14) return {};
  return get_place(std::string_view(value).substr(8), get_le(std::string_view(value).substr(0, 8)));
}

core::Result<void, StoreError> Index::apply(std::span<const IndexEntry> entries, const Position& reached) {
  // In the order of their keys each insertion goes on where the last one stood, instead of walking down the skip list.
  std::vector<const IndexEntry*> sorted(entries.size());
  std::transform(entries.begin(), entries.end(), sorted.begin(), [](const IndexEntry& entry) { return &entry; });
  std::sort(sorted.begin(), sorted.end(), [](const auto* a, const auto* b) { return a->key < b->key; });
  rocksdb::WriteBatch batch(entries.size() * (kKeySize + kValueSize + 8));
  std::string value;
  for (const auto* entry : sorted) {
    value.clear();
    put_place(value, entry->at);
    put_le(value, entry->type, 2);
    value.append(entry->id.data(), entry->id.size());
    batch.Put(encode_key(entry->key), value);
  }
  value.clear();
  put_le(value, reached.seq, 8);
  put_place(value, reached);
  batch.Put(rocksdb::Slice(kPositionKey.data(), kPositionKey.size()), value);
  rocksdb::WriteOptions options;
  options.disableWAL = true;
  const auto status = impl_->db->Write(options, &batch);
  if (!status.ok()) return core::error(failure(impl_->folder, status));
  return {};
}

core::Result<void, StoreError> Index::flush() {
  const auto status = impl_->db->Flush(rocksdb::FlushOptions());
  if (!status.ok()) return core::error(failure(impl_->folder, status));
  return {};
}

core::Result<void, StoreError> Index::find(std::uint8_t kind, const std::array<char, 16>& value, std::int64_t from_us,
                                           std::int64_t to_us,
                                           const std::function<bool(const IndexEntry&)>& visit) const {
  const std::string low = encode_key({kind, value, from_us, 0}), high = encode_key({kind, value, to_us, UINT64_MAX});
  const std::unique_ptr<rocksdb::Iterator> at(impl_->db->NewIterator(rocksdb::ReadOptions()));
  IndexEntry entry;
  for (at->SeekForPrev(high); at->Valid(); at->Prev()) {
    const std::string_view key(at->key().data(), at->key().size());
    if (key < low) break;
    if (!decode_entry(key, {at->value().data(), at->value().size()}, entry))
      return core::error(StoreError{StoreErrorKind::kDamaged, impl_->folder, 0, 0, "an entry has the wrong size"});
    if (entry.key.seq < impl_->first_seq) continue;
    if (!visit(entry)) return {};
  }
  if (!at->status().ok()) return core::error(failure(impl_->folder, at->status()));
  return {};
}

void Index::expire_below(std::uint64_t seq) { impl_->first_seq = seq; }

}  // namespace sekisho::store
