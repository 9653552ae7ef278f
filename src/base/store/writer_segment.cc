// The files of the writer: opening, continuing, closing segments, and what is signed.
#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/store/fields.h"
#include "base/store/head_note.h"
#include "base/store/writer.h"

namespace sekisho::store {

namespace {
// A record that makes the file longer costs a commit of the file system's journal; one inside of it does not. Young
// segments reserve little, old ones about the records of a second under load.
constexpr std::uint64_t kLeastReserve = 64 * 1024, kMostReserve = 1024 * 1024;
}  // namespace

Writer::Failure Writer::ensure_segment(std::int32_t day, std::vector<Stored>& stored) {
  if (segment_ && segment_->day < day && finished_day_ != segment_->day) finish_day();
  buffer_.clear();
  built_head_seq_ = 0;
  building_ = durable_;
  write_at_ = durable_.offset;
  if (fd_ >= 0 && segment_->day == day) return {};
  if (segment_ && segment_->day == day && appendable_) return continue_last();
  return open_part(day, stored);
}

Writer::Failure Writer::continue_last() {
  const std::string path = catalog_.path(*segment_);
  const auto fd = files_.open(path, O_WRONLY, 0600);
  if (!fd) return os_failure(fd.error(), path, durable_.offset, "opening the segment again");
  fd_ = *fd;
  reserved_ = durable_.offset;
  return {};
}

Writer::Failure Writer::open_part(std::int32_t day, std::vector<Stored>& stored) {
  SegmentName name{day, 0};
  if (segment_ && segment_->day == day) name.part = static_cast<std::uint16_t>(segment_->part + 1);
  for (;; ++name.part) {
    const auto fd = files_.open(catalog_.path(name), O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (!fd && fd.error() == EEXIST && name.part < UINT16_MAX) continue;
    if (!fd) return os_failure(fd.error(), catalog_.path(name), 0, "making a segment");
    fd_ = *fd;
    break;
  }
  opening_ = name;
  if (auto synced = files_.sync_folder(catalog_.folder()); !synced)
    return os_failure(synced.error(), catalog_.path(name), 0, "making the segment's name durable");
  write_at_ = reserved_ = 0;
  buffer_ = kSegmentMagic;
  buffer_.append(durable_.chain.data(), kChainSize);
  add_head(0, stored);
  return {};
}

void Writer::add_record(const FrameFacts& facts, std::string_view fields, std::vector<Stored>& stored) {
  const SegmentName& name = opening_ ? *opening_ : *segment_;
  stored.push_back({{facts.seq, name.day, name.part, write_at_ + buffer_.size()}, facts.time_us, facts.type, {}});
  encode_frame(buffer_, building_.chain, hasher_, facts, fields);
  building_.seq = facts.seq;
  building_.offset = write_at_ + buffer_.size();
}

void Writer::add_head(int kind, std::vector<Stored>& stored) {
  const SegmentName& name = opening_ ? *opening_ : *segment_;
  const FrameFacts facts{building_.seq + 1, clock_.now_us(), kTypeHead};
  FieldWriter fields;
  fields.put_u64(kTagKind, static_cast<std::uint64_t>(kind));
  fields.put(kTagKey, {catalog_.identity().key.data(), 32});
  fields.put(kTagSalt, {catalog_.identity().salt.data(), 16});
  fields.put_u64(kTagDay, static_cast<std::uint64_t>(name.day));
  fields.put_u64(kTagPart, name.part);
  if (kind == 0 && segment_) {
    fields.put_u64(kTagPrevDay, static_cast<std::uint64_t>(segment_->day));
    fields.put_u64(kTagPrevPart, segment_->part);
    fields.put_u64(kTagPrevEnd, durable_.offset);
  }
  const Signature signature = signer_.sign(head_text(building_.chain, facts, fields.octets()));
  fields.put(kTagSignature, {signature.data(), signature.size()});
  add_record(facts, fields.octets(), stored);
  stored.back().fields = fields.take();
  built_head_seq_ = facts.seq;
}

bool Writer::head_due() const {
  const std::uint64_t behind = std::max(building_.seq, durable_.seq) - std::max(head_seq_, built_head_seq_);
  if (behind >= settings_.head_records && settings_.head_records != 0) return true;
  return unsigned_since_us_ != 0 && clock_.now_us() - unsigned_since_us_ >= settings_.head_ms * 1000;
}

Writer::Failure Writer::write_and_sync() {
  const std::string path = catalog_.path(opening_ ? *opening_ : *segment_);
  std::string_view rest = buffer_;
  while (!rest.empty()) {
    const std::uint64_t offset = write_at_ + (buffer_.size() - rest.size());
    const auto written = files_.write(fd_, rest, offset);
    if (!written) return os_failure(written.error(), path, offset, "writing records");
    rest.remove_prefix(std::min(*written, rest.size()));
  }
  reserve();
  if (auto synced = files_.sync(fd_); !synced)
    return os_failure(synced.error(), path, write_at_, "fdatasync of records");
  return {};
}

// Where there is no room for it the records make the file grow one by one, and it is tried again further on.
void Writer::reserve() {
  const std::uint64_t end = write_at_ + buffer_.size();
  if (end <= reserved_) return;
  reserved_ = end + std::clamp(end / 2, kLeastReserve, kMostReserve);
  // The last room on a disk is not for zeros.
  if (!files_.reserve(fd_, end, reserved_)) (void)files_.truncate(fd_, end);
}

void Writer::accept() {
  const std::size_t bytes = buffer_.size();
  if (opening_) segment_ = std::exchange(opening_, std::nullopt);
  appendable_ = true;
  const bool head = built_head_seq_ != 0;
  if (head) head_seq_ = std::exchange(built_head_seq_, 0);
  durable_ = building_;
  if (durable_.seq == head_seq_)
    unsigned_since_us_ = 0;
  else if (unsigned_since_us_ == 0)
    unsigned_since_us_ = clock_.now_us();
  {
    const std::lock_guard lock(mutex_);
    counts_.bytes += bytes;
  }
  if (head) {
    note_head(false);
    // The key of the coming day is made before the loops ask for it.
    (void)day_keys_.hash(day_of(clock_.now_us() + kDayUs / 24), "", true);
  }
}

void Writer::abandon() {
  if (fd_ < 0) return;
  if (opening_) {
    files_.close(fd_);
    (void)files_.unlink(catalog_.path(*opening_));
    opening_.reset();
  } else {
    // Best effort: the next segment's head says where this one's records end.
    (void)files_.truncate(fd_, durable_.offset);
    files_.close(fd_);
    appendable_ = false;
  }
  fd_ = -1;
}

void Writer::finish_day() {
  const std::int32_t day = segment_->day;
  finished_day_ = day;
  close_segment();
  const auto anchor = make_anchor(catalog_, day, durable_.seq, durable_.chain);
  if (anchor) (void)replace_file(files_, catalog_.anchor_path(day), format_anchor(*anchor, signer_), 0644, true);
}

// A closing head behind the last record; what cannot be written is left to the next start.
void Writer::close_segment() {
  if (!segment_ || (fd_ < 0 && !appendable_)) return;
  if (durable_.seq != head_seq_ || fd_ >= 0) {
    std::vector<Stored> stored;
    buffer_.clear();
    building_ = durable_;
    write_at_ = durable_.offset;
    Failure failure;
    if (fd_ < 0) failure = continue_last();
    if (!failure) add_head(2, stored), failure = write_and_sync();
    if (failure) return abandon();
    accept();
    note_head(true);
    {
      const std::lock_guard lock(mutex_);
      committed_ = {segment_, durable_.offset, durable_.seq};
      counts_.records += 1;
    }
    if (settings_.on_commit) settings_.on_commit(std::move(stored));
  }
  // Best effort: zeros that stay are no records, and the next segment's head says where this one's end.
  if (fd_ >= 0 && reserved_ > durable_.offset) (void)files_.truncate(fd_, durable_.offset);
  files_.close(std::exchange(fd_, -1));
}

void Writer::note_head(bool durable) {
  (void)replace_file(files_, catalog_.folder() + "/head", format_head_note({durable_.seq, durable_.chain}, signer_),
                     0644, durable);
}

}  // namespace sekisho::store
