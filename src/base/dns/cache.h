#pragma once
// Answers by name and type, bounded in octets, shared by all loops: 16 shards, each under its own lock. Private to this
// room. Names come from outside, so they are hashed with a key (SipHash-1-3).
#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/core/random.h"
#include "base/dns/dns.h"

namespace sekisho::dns {

class KeyedHash {
 public:
  explicit KeyedHash(core::Random& random) : k0_(random.u64()), k1_(random.u64()) {}
  std::uint64_t operator()(std::string_view octets, Type type) const;

 private:
  std::uint64_t k0_, k1_;
};

class Cache {
 public:
  Cache(std::size_t max_bytes, core::Random& random);
  ~Cache();
  // Null when it is not there or its time is over.
  AnswerPtr find(const Name& name, Type type, std::int64_t now_ms);
  void put(const Name& name, Type type, AnswerPtr answer, std::int64_t expires_ms);
  void clear();
  std::size_t bytes() const;
  std::size_t entries() const;

 private:
  struct Key {
    std::string_view wire;
    Type type;
    std::uint64_t hash;
    bool operator==(const Key& other) const { return type == other.type && wire == other.wire; }
  };
  struct KeyHash {
    std::size_t operator()(const Key& key) const { return key.hash; }
  };
  struct Entry {
    std::string wire;
    AnswerPtr answer;
    std::int64_t expires_ms = 0;
    std::size_t bytes = 0;
    std::size_t place = 0;  // in the ring
    Key key;
    bool used = false;
  };
  struct Shard {
    mutable std::mutex lock;
    std::unordered_map<Key, std::unique_ptr<Entry>, KeyHash> entries;
    std::vector<Entry*> ring;
    std::size_t hand = 0;
    std::size_t bytes = 0;
    void erase(Entry& entry);
    void make_room(std::size_t max_bytes);
  };
  Shard& shard(std::uint64_t hash) { return shards_[hash >> 60]; }

  KeyedHash hash_;
  std::size_t max_shard_bytes_;
  std::array<Shard, 16> shards_;
};

}  // namespace sekisho::dns
