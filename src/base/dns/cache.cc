#include "base/dns/cache.h"

#include <bit>
#include <cstring>

namespace sekisho::dns {
namespace {

struct Sip {
  std::uint64_t v0, v1, v2, v3;
  void round() {
    v0 += v1, v1 = std::rotl(v1, 13), v1 ^= v0, v0 = std::rotl(v0, 32);
    v2 += v3, v3 = std::rotl(v3, 16), v3 ^= v2;
    v0 += v3, v3 = std::rotl(v3, 21), v3 ^= v0;
    v2 += v1, v1 = std::rotl(v1, 17), v1 ^= v2, v2 = std::rotl(v2, 32);
  }
};

// What an entry keeps in memory, by and large: its own fields, the map's node, the ring, the answer with its vectors.
std::size_t cost(const Name& name, const Answer& answer) {
  std::size_t bytes = 400 + 2 * name.wire().size() + answer.canonical.wire().size();
  for (const auto& text : answer.texts) bytes += sizeof text + text.size();
  for (const auto& octets : answer.raw) bytes += sizeof octets + octets.size();
  for (const auto& owner : answer.names) bytes += sizeof owner + owner.wire().size();
  for (const auto& mx : answer.exchanges) bytes += sizeof mx + mx.exchange.wire().size();
  return bytes + answer.addresses.size() * sizeof(core::IpAddress);
}

}  // namespace

std::uint64_t KeyedHash::operator()(std::string_view octets, Type type) const {
  Sip s{k0_ ^ 0x736f6d6570736575, k1_ ^ 0x646f72616e646f6d, k0_ ^ 0x6c7967656e657261, k1_ ^ 0x7465646279746573};
  const auto word = [&s](std::uint64_t m) {
    s.v3 ^= m;
    s.round();
    s.v0 ^= m;
  };
  std::size_t at = 0;
  for (; octets.size() - at >= 8; at += 8) {
    std::uint64_t m;
    std::memcpy(&m, octets.data() + at, 8);
    word(m);
  }
  std::uint64_t last = static_cast<std::uint64_t>(octets.size()) << 56;
  for (unsigned shift = 0; at < octets.size(); ++at, shift += 8) {
    last |= static_cast<std::uint64_t>(static_cast<unsigned char>(octets[at])) << shift;
  }
  word(last);
  word(static_cast<std::uint64_t>(type));
  s.v2 ^= 0xff;
  for (int i = 0; i < 3; ++i) s.round();
  return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

Cache::Cache(std::size_t max_bytes, core::Random& random) : hash_(random), max_shard_bytes_(max_bytes / 16) {}
Cache::~Cache() = default;

AnswerPtr Cache::find(const Name& name, Type type, std::int64_t now_ms) {
  const Key key{name.wire(), type, hash_(name.wire(), type)};
  Shard& at = shard(key.hash);
  const std::lock_guard guard(at.lock);
  const auto found = at.entries.find(key);
  if (found == at.entries.end()) return nullptr;
  Entry& entry = *found->second;
  if (entry.expires_ms <= now_ms) {
    at.erase(entry);
    return nullptr;
  }
  entry.used = true;
  return entry.answer;
}

void Cache::put(const Name& name, Type type, AnswerPtr answer, std::int64_t expires_ms) {
  auto entry = std::make_unique<Entry>();
  entry->wire = name.wire();
  entry->key = {entry->wire, type, hash_(name.wire(), type)};
  entry->bytes = cost(name, *answer);
  entry->answer = std::move(answer);
  entry->expires_ms = expires_ms;
  if (entry->bytes > max_shard_bytes_) return;
  Shard& at = shard(entry->key.hash);
  const std::lock_guard guard(at.lock);
  const auto old = at.entries.find(entry->key);
  if (old != at.entries.end()) at.erase(*old->second);
  at.make_room(max_shard_bytes_ - entry->bytes);
  entry->place = at.ring.size();
  at.ring.push_back(entry.get());
  at.bytes += entry->bytes;
  const Key key = entry->key;
  at.entries.emplace(key, std::move(entry));
}

void Cache::Shard::erase(Entry& entry) {
  ring[entry.place] = ring.back();
  ring[entry.place]->place = entry.place;
  ring.pop_back();
  bytes -= entry.bytes;
  entries.erase(entry.key);
}

// CLOCK: what was used since the hand came by last stays for another round.
void Cache::Shard::make_room(std::size_t max_bytes) {
  while (bytes > max_bytes) {
    if (hand >= ring.size()) hand = 0;
    if (ring[hand]->used) {
      ring[hand++]->used = false;
    } else {
      erase(*ring[hand]);
    }
  }
}

void Cache::clear() {
  for (Shard& at : shards_) {
    const std::lock_guard guard(at.lock);
    at.entries.clear();
    at.ring.clear();
    at.hand = at.bytes = 0;
  }
}

std::size_t Cache::bytes() const {
  std::size_t sum = 0;
  for (const Shard& at : shards_) {
    const std::lock_guard guard(at.lock);
    sum += at.bytes;
  }
  return sum;
}

std::size_t Cache::entries() const {
  std::size_t sum = 0;
  for (const Shard& at : shards_) {
    const std::lock_guard guard(at.lock);
    sum += at.ring.size();
  }
  return sum;
}

}  // namespace sekisho::dns
