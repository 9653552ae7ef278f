#pragma once
// One segment file: 8 octets magic, 32 octets chain of what came before, then frames of
//   length u32 | type u16 | record (seq u64, wall time i64 us, fields) | chain: SHA-256(salt, chain before, all before
//   it in the frame)
// so the 32 octets before a frame are always the chain it was built on. The salt is one secret-from-senders value per
// ledger: without it an envelope field could carry octets that look like a frame when a reader looks for the next one
// after damage.
#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/core/result.h"

struct evp_md_ctx_st;

namespace sekisho::store {

constexpr std::string_view kSegmentMagic = "SEKILG01";
constexpr std::size_t kChainSize = 32, kFrameHead = 6, kRecordHead = 16, kSegmentHead = 8 + kChainSize;
constexpr std::size_t kMaxRecordSize = 1 << 20;
using Chain = std::array<char, kChainSize>;
using Salt = std::array<char, 16>;

// SHA-256 with its context kept; one thread at a time.
class ChainHasher {
 public:
  explicit ChainHasher(const Salt& salt);
  ~ChainHasher();
  ChainHasher(const ChainHasher&) = delete;
  Chain next(std::string_view before, std::string_view frame_without_chain);

 private:
  Salt salt_;
  evp_md_ctx_st* context_;
};

struct FrameFacts {
  std::uint64_t seq = 0;
  std::int64_t time_us = 0;
  std::uint16_t type = 0;
};
// Appends a whole frame to out and moves chain on.
void encode_frame(std::string& out, Chain& chain, ChainHasher& hasher, const FrameFacts& facts,
                  std::string_view fields);
inline std::size_t frame_size(std::size_t fields) { return kFrameHead + kRecordHead + fields + kChainSize; }

// Random access to the octets of a segment. read() gives fewer octets than asked only at the end; the error is an
// errno.
class Source {
 public:
  virtual ~Source() = default;
  virtual core::Result<std::size_t, int> read(std::uint64_t offset, char* into, std::size_t size) = 0;
};
class MemorySource final : public Source {
 public:
  explicit MemorySource(std::string_view octets) : octets_(octets) {}
  core::Result<std::size_t, int> read(std::uint64_t offset, char* into, std::size_t size) override;

 private:
  std::string_view octets_;
};
class FileSource final : public Source {
 public:
  static core::Result<std::unique_ptr<FileSource>, int> open(const std::string& path);
  ~FileSource() override;
  core::Result<std::size_t, int> read(std::uint64_t offset, char* into, std::size_t size) override;
  std::uint64_t size() const;

 private:
  explicit FileSource(int fd) : fd_(fd) {}
  int fd_;
};

struct Frame : FrameFacts {
  std::uint64_t offset = 0, end = 0;
  std::string_view fields;  // valid until the next call of the reader
  Chain before{}, chain{};
};

enum class Step : std::uint8_t {
  kFrame,
  kEnd,     // exactly at the limit
  kTorn,    // fewer octets are left than the frame says, or than the smallest frame has
  kDamage,  // the octets at offset() are no frame: length out of range or the chain does not hold
};

class SegmentReader {
 public:
  // Reads [0, limit). The source must outlive the reader.
  SegmentReader(Source& source, const Salt& salt, std::uint64_t limit, std::size_t window = 256 * 1024);
  bool magic_ok();
  // The next frame at offset(). After kTorn or kDamage the offset stands still.
  Step next(Frame& frame);
  // Looks behind offset() for the next frame that holds with the 32 octets before it and whose seq is above last_seq.
  Step resync(Frame& frame, std::uint64_t last_seq);
  // Behind the last octet before the limit that is not zero; offset() when there is none. A writer that was killed
  // leaves the zeros of its reserve.
  std::uint64_t content_end();
  void seek(std::uint64_t offset) { offset_ = offset; }
  std::uint64_t offset() const { return offset_; }
  int os_error() const { return os_error_; }  // errno of the last read that failed, 0 if none did

 private:
  std::string_view view(std::uint64_t offset, std::size_t size);
  Step frame_at(std::uint64_t offset, Frame& frame, std::uint64_t above_seq);

  Source& source_;
  ChainHasher hasher_;
  std::uint64_t limit_, offset_ = kSegmentHead, window_at_ = 0;
  std::size_t window_size_;
  std::string window_;
  int os_error_ = 0;
};

}  // namespace sekisho::store
