#include "base/store/segment.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/store/fields.h"

namespace sekisho::store {

namespace {
const EVP_MD* sha256() {
  static EVP_MD* const md = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return md;
}
}  // namespace

ChainHasher::ChainHasher(const Salt& salt) : salt_(salt), context_(EVP_MD_CTX_new()) {}
ChainHasher::~ChainHasher() { EVP_MD_CTX_free(context_); }

Chain ChainHasher::next(std::string_view before, std::string_view frame) {
  Chain out;
  EVP_DigestInit_ex2(context_, sha256(), nullptr);
  EVP_DigestUpdate(context_, salt_.data(), salt_.size());
  EVP_DigestUpdate(context_, before.data(), before.size());
  EVP_DigestUpdate(context_, frame.data(), frame.size());
  EVP_DigestFinal_ex(context_, reinterpret_cast<unsigned char*>(out.data()), nullptr);
  return out;
}

void encode_frame(std::string& out, Chain& chain, ChainHasher& hasher, const FrameFacts& facts,
                  std::string_view fields) {
  const std::size_t start = out.size();
  put_le(out, kRecordHead + fields.size(), 4);
  put_le(out, facts.type, 2);
  put_le(out, facts.seq, 8);
  put_le(out, static_cast<std::uint64_t>(facts.time_us), 8);
  out += fields;
  chain = hasher.next({chain.data(), chain.size()}, std::string_view(out).substr(start));
  out.append(chain.data(), chain.size());
}

core::Result<std::size_t, int> MemorySource::read(std::uint64_t offset, char* into, std::size_t size) {
  if (offset >= octets_.size()) return std::size_t{0};
  size = std::min<std::size_t>(size, octets_.size() - offset);
  std::memcpy(into, octets_.data() + offset, size);
  return size;
}

core::Result<std::unique_ptr<FileSource>, int> FileSource::open(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return core::error(errno);
  return std::unique_ptr<FileSource>(new FileSource(fd));
}

FileSource::~FileSource() { ::close(fd_); }

std::uint64_t FileSource::size() const {
  struct stat info {};
  return ::fstat(fd_, &info) == 0 ? static_cast<std::uint64_t>(info.st_size) : 0;
}

core::Result<std::size_t, int> FileSource::read(std::uint64_t offset, char* into, std::size_t size) {
  std::size_t done = 0;
  while (done < size) {
    const ssize_t got = ::pread(fd_, into + done, size - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return core::error(errno);
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

SegmentReader::SegmentReader(Source& source, const Salt& salt, std::uint64_t limit, std::size_t window)
    : source_(source), hasher_(salt), limit_(limit), window_size_(window) {}

// The octets [offset, offset + size), or fewer when the file ends or cannot be read there.
std::string_view SegmentReader::view(std::uint64_t offset, std::size_t size) {
  if (offset < window_at_ || offset + size > window_at_ + window_.size()) {
    const std::uint64_t rest = limit_ > offset ? limit_ - offset : 0;
    const std::size_t want = std::max<std::size_t>(size, std::min<std::uint64_t>(rest, window_size_));
    window_.resize(want);
    const auto got = source_.read(offset, window_.data(), want);
    if (!got) os_error_ = got.error();
    window_.resize(got ? *got : 0);
    window_at_ = offset;
  }
  const std::size_t from = offset - window_at_;
  return std::string_view(window_).substr(from, size);
}

bool SegmentReader::magic_ok() { return limit_ >= kSegmentHead && view(0, kSegmentMagic.size()) == kSegmentMagic; }

Step SegmentReader::frame_at(std::uint64_t offset, Frame& frame, std::uint64_t above_seq) {
  if (offset + frame_size(0) > limit_) return Step::kTorn;
  const auto head = view(offset - kChainSize, kChainSize + kFrameHead + kRecordHead);
  if (head.size() < kChainSize + kFrameHead + kRecordHead) return Step::kTorn;
  const std::uint64_t length = get_le(head.substr(kChainSize, 4));
  if (length < kRecordHead || length > kMaxRecordSize) return Step::kDamage;
  frame.type = static_cast<std::uint16_t>(get_le(head.substr(kChainSize + 4, 2)));
  frame.seq = get_le(head.substr(kChainSize + 6, 8));
  frame.time_us = static_cast<std::int64_t>(get_le(head.substr(kChainSize + 14, 8)));
  if (above_seq != 0 && (frame.seq <= above_seq || frame.seq - above_seq > (1ull << 32))) return Step::kDamage;
  frame.offset = offset;
  frame.end = offset + kFrameHead + length + kChainSize;
  if (frame.end > limit_) return Step::kTorn;
  const auto all = view(offset - kChainSize, kChainSize + kFrameHead + length + kChainSize);
  if (all.size() < kChainSize + kFrameHead + length + kChainSize) return Step::kTorn;
  const auto before = all.substr(0, kChainSize), body = all.substr(kChainSize, kFrameHead + length);
  const Chain computed = hasher_.next(before, body);
  const auto stored = all.substr(kChainSize + kFrameHead + length);
  if (std::string_view(computed.data(), computed.size()) != stored) return Step::kDamage;
  std::copy(before.begin(), before.end(), frame.before.begin());
  frame.chain = computed;
  frame.fields = body.substr(kFrameHead + kRecordHead);
  return Step::kFrame;
}

Step SegmentReader::next(Frame& frame) {
  if (offset_ == limit_) return Step::kEnd;
  const Step step = frame_at(offset_, frame, 0);
  if (step == Step::kFrame) offset_ = frame.end;
  return step;
}

Step SegmentReader::resync(Frame& frame, std::uint64_t last_seq) {
  for (std::uint64_t at = offset_ + 1; at + frame_size(0) <= limit_; ++at) {
    if (frame_at(at, frame, std::max<std::uint64_t>(last_seq, 1)) != Step::kFrame) continue;
    offset_ = frame.end;
    return Step::kFrame;
  }
  return Step::kEnd;
}

std::uint64_t SegmentReader::content_end() {
  constexpr std::size_t kPiece = 64 * 1024;
  std::string piece;
  const std::uint64_t least = std::min(offset_, limit_);
  for (std::uint64_t end = limit_; end > least;) {
    const std::uint64_t begin = end - std::min<std::uint64_t>(kPiece, end - least);
    piece.resize(end - begin);
    const auto got = source_.read(begin, piece.data(), piece.size());
    if (!got) return os_error_ = got.error(), limit_;
    const auto last = std::string_view(piece).substr(0, *got).find_last_not_of('\0');
    if (last != std::string_view::npos) return begin + last + 1;
    end = begin;
  }
  return least;
}

}  // namespace sekisho::store
