#pragma once
// The segment and anchor files of a ledger folder as they lie there, and the walk over them that scan, verify and open
// share.
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/store/keys.h"
#include "base/store/ledger.h"
#include "base/store/segment.h"

namespace sekisho::store {

// The ledger's own field tags.
enum HeadTag : std::uint16_t {
  kTagKind = 1,  // 0 first of its segment, 1 within, 2 last of its segment
  kTagKey = 2,   // public key
  kTagSalt = 3,
  kTagPrevDay = 4,  // segment that was written before this one: day, part, and how many of its octets count
  kTagPrevPart = 5,
  kTagPrevEnd = 6,
  kTagDay = 7,  // of this segment
  kTagPart = 8,
  kTagSignature = 9,  // last field: over head_text()
  kTagUnlinkedDay = 10,
};
// What a head's signature covers: a label, the chain before the head, and all of the head but the signature field.
std::string head_text(const Chain& before, const FrameFacts& facts, std::string_view fields_before_signature);

struct SegmentName {
  std::int32_t day = 0;
  std::uint16_t part = 0;
  auto operator<=>(const SegmentName&) const = default;
  std::string file() const;  // "2026-11-24.000.log"
  static std::optional<SegmentName> parse(std::string_view file);
};

struct HeadFacts {
  int kind = -1;
  std::optional<SegmentName> self, previous;
  std::uint64_t previous_end = 0;
  bool signature_ok = false;
};
HeadFacts read_head(const Frame& frame, const Identity& identity);

// How far a segment counts: UINT64_MAX = to its end.
using Limits = std::map<SegmentName, std::uint64_t>;

class Catalog {
 public:
  Catalog(std::string folder, Identity identity) : folder_(std::move(folder)), identity_(identity) {}
  const std::string& folder() const { return folder_; }
  const Identity& identity() const { return identity_; }
  std::string path(const SegmentName& name) const { return folder_ + "/" + name.file(); }
  std::string anchor_path(std::int32_t day) const { return folder_ + "/" + day_text(day) + ".anchor"; }

  std::vector<SegmentName> segments() const;  // in writing order, without the days that retention took
  std::map<std::int32_t, Anchor> anchors(Problems* problems) const;
  // The ends that later segments' heads give to earlier ones.
  Limits limits(const std::vector<SegmentName>& segments) const;

  struct Walk {
    std::uint64_t records = 0, last_seq = 0, end = kSegmentHead;
    std::uint64_t size = 0;     // of the file; where it was never closed, without the zeros at its end
    std::uint64_t reserve = 0;  // those zeros
    Chain first{}, last{};
    std::uint64_t first_seq = 0;
    Step stopped = Step::kEnd;  // kEnd: to the limit; kTorn, kDamage: nothing more could be read from `end` on
    bool started = false;       // the file has its magic
  };
  // Reads one segment up to its limit; damage is told in problems and skipped. visit gives false to stop early.
  // from: the offset of a frame.
  Walk walk(const SegmentName& name, std::uint64_t limit, Problems& problems,
            const std::function<bool(const Frame&)>& visit, std::uint64_t from = kSegmentHead) const;

 private:
  std::string folder_;
  Identity identity_;
};

}  // namespace sekisho::store
