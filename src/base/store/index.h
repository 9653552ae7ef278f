#pragma once
// An ordered index of ledger records that can be thrown away and rebuilt: fixed keys and values, on RocksDB without its
// own log. A batch and the ledger position it reaches become durable together or not at all; after a crash position()
// is an older one and the caller applies the records behind it again. Thread rule: any thread; reads may take
// milliseconds: never on a loop.
#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "base/core/result.h"
#include "base/store/error.h"
#include "base/store/ledger.h"

namespace sekisho::store {

// Orders by kind, value, time, seq. Value is 16 octets: an id, an address, or the start of a digest.
struct IndexKey {
  std::uint8_t kind = 0;
  std::array<char, 16> value{};
  std::int64_t time_us = 0;
  std::uint64_t seq = 0;
  auto operator<=>(const IndexKey&) const = default;
};
struct IndexEntry {
  IndexKey key;
  Position at;
  std::uint16_t type = 0;
  std::array<char, 16> id{};  // of the caller: which story it belongs to
};

class Index {
 public:
  // kDamaged when what lies there is no index or an opening of it never ended: destroy() it, open again, rebuild.
  static core::Result<std::unique_ptr<Index>, StoreError> open(const std::string& folder);
  static core::Result<void, StoreError> destroy(const std::string& folder);
  ~Index();

  Position position() const;  // of the last record applied; {} at first
  core::Result<void, StoreError> apply(std::span<const IndexEntry> entries, const Position& reached);
  core::Result<void, StoreError> flush();  // what was applied is durable after it
  // Entries of one kind and value with from_us <= time <= to_us, newest first, until visit gives false.
  core::Result<void, StoreError> find(std::uint8_t kind, const std::array<char, 16>& value, std::int64_t from_us,
                                      std::int64_t to_us, const std::function<bool(const IndexEntry&)>& visit) const;
  // Entries of records below this seq vanish from find() now and from the disk by and by.
  void expire_below(std::uint64_t seq);

 private:
  struct Impl;
  explicit Index(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sekisho::store
