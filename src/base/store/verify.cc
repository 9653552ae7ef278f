#include "base/store/verify.h"

#include <algorithm>

#include "base/store/head_note.h"
#include "base/store/tip.h"

namespace sekisho::store {

namespace {
struct Listing {
  std::vector<SegmentName> segments;
  Limits limits;
};

Listing list_segments(const Catalog& catalog, const VerifyScope& scope) {
  Listing out;
  out.segments = catalog.segments();
  if (scope.live)
    std::erase_if(out.segments, [&](const SegmentName& name) { return !scope.last || name > *scope.last; });
  out.limits = catalog.limits(out.segments);
  if (scope.live && scope.last) out.limits[*scope.last] = scope.end;
  return out;
}

void tell_tail(const Catalog& catalog, const SegmentName& name, const Catalog::Walk& walk, bool last,
               Problems& problems) {
  if (walk.stopped != Step::kTorn && walk.stopped != Step::kDamage) return;
  if (!problems.empty() && problems.back().kind == ProblemKind::kUnreadable) return;
  const std::uint64_t end = walk.records == 0 ? 0 : walk.end;
  problems.push_back({last ? ProblemKind::kTornTail : ProblemKind::kDamaged, catalog.path(name), end,
                      std::to_string(walk.size - end) + " octets to the end of the file are no record"});
}

std::uint64_t first_seq(const Catalog& catalog, const SegmentName& name) {
  Problems ignored;
  return catalog.walk(name, UINT64_MAX, ignored, [](const Frame&) { return false; }).first_seq;
}

class Verifier {
 public:
  Verifier(const Catalog& catalog, const VerifyScope& scope) : catalog_(catalog), scope_(scope) {}

  VerifyReport run() {
    const Listing listing = list_segments(catalog_, scope_);
    anchors_ = catalog_.anchors(&report_.problems);
    report_.anchors = anchors_.size();
    for (const auto& name : listing.segments) {
      const std::uint64_t limit = listing.limits.at(name);
      if (limit != 0) segment(name, limit, name == listing.segments.back());
    }
    if (last_name_) days_without_segments();
    compare_head_note();
    compare_tip();
    return std::move(report_);
  }

 private:
  void problem(ProblemKind kind, std::string file, std::uint64_t offset, std::string text) {
    report_.problems.push_back({kind, std::move(file), offset, std::move(text)});
  }

  void segment(const SegmentName& name, std::uint64_t limit, bool last) {
    const std::string path = catalog_.path(name);
    bool opening = true;
    const auto walk = catalog_.walk(name, limit, report_.problems, [&](const Frame& frame) {
      if (frame.type == kTypeHead)
        head(frame, name, path, opening);
      else if (opening && frame.offset == kSegmentHead)
        problem(ProblemKind::kBadSignature, path, frame.offset, "the segment does not begin with a signed head");
      opening = false;
      return true;
    });
    tell_tail(catalog_, name, walk, last && !scope_.live, report_.problems);
    if (limit != UINT64_MAX && walk.size > limit && !(scope_.live && scope_.last == name))
      report_.superseded_bytes += walk.size - limit;
    ++report_.segments;
    if (walk.records == 0) return;
    if (last_name_)
      follow(name, walk, path);
    else
      begin(name, walk, path);
    if (!last_name_ || last_name_->day != name.day)
      finish_day(), day_first_ = walk.first, day_first_seq_ = walk.first_seq;
    report_.records += walk.records;
    report_.last_seq = walk.last_seq;
    last_chain_ = walk.last;
    last_name_ = name;
  }

  void head(const Frame& frame, const SegmentName& name, const std::string& path, bool opening) {
    ++report_.heads;
    const HeadFacts facts = read_head(frame, catalog_.identity());
    if (!facts.signature_ok)
      problem(ProblemKind::kBadSignature, path, frame.offset, "the head is not signed by this ledger's key");
    else if (facts.self != name)
      problem(ProblemKind::kBrokenChain, path, frame.offset, "the head belongs to another segment");
    if (opening && facts.previous && last_name_ && facts.previous != last_name_)
      problem(ProblemKind::kMissingSegment, catalog_.path(*facts.previous), 0,
              "the next segment says it was written before it; it is not there or holds nothing readable");
  }

  void begin(const SegmentName&, const Catalog::Walk& walk, const std::string& path) {
    report_.first_seq = walk.first_seq;
    if (walk.first_seq == 1 && walk.first == Chain{}) return;
    // What came before must have gone by retention, and its signed anchor says where it ended.
    for (const auto& [day, anchor] : anchors_)
      if (anchor.signature_ok && anchor.unlinked_us != 0 && anchor.last == walk.first) return;
    problem(ProblemKind::kMissingSegment, path, kSegmentHead,
            "the records before seq " + std::to_string(walk.first_seq) +
                " are not there and no signed anchor says that retention took them");
  }

  void follow(const SegmentName&, const Catalog::Walk& walk, const std::string& path) {
    if (walk.first_seq != report_.last_seq + 1)
      problem(ProblemKind::kSeqGap, path, kSegmentHead,
              "seq " + std::to_string(walk.first_seq) + " follows " + std::to_string(report_.last_seq));
    else if (walk.first != last_chain_)
      problem(ProblemKind::kBrokenChain, path, kSegmentHead, "the chain does not follow from the segment before");
  }

  // Compares the day that has just been read to its end with its anchor.
  void finish_day() {
    if (!last_name_) return;
    const std::string path = catalog_.anchor_path(last_name_->day);
    const auto found = anchors_.find(last_name_->day);
    if (found == anchors_.end()) return problem(ProblemKind::kBadAnchor, path, 0, "a finished day has no anchor");
    const Anchor& anchor = found->second;
    if (anchor.first_seq != day_first_seq_ || anchor.last_seq != report_.last_seq || anchor.first != day_first_ ||
        anchor.last != last_chain_)
      problem(ProblemKind::kBadAnchor, path, 0,
              "the anchor says seq " + std::to_string(anchor.first_seq) + " to " + std::to_string(anchor.last_seq) +
                  "; the day has " + std::to_string(day_first_seq_) + " to " + std::to_string(report_.last_seq) +
                  (anchor.last != last_chain_ ? " and ends in another chain" : ""));
  }

  // Anchors of days later than the last segment: their records were there once.
  void days_without_segments() {
    for (const auto& [day, anchor] : anchors_) {
      if (anchor.unlinked_us != 0 || day <= last_name_->day) continue;
      problem(ProblemKind::kMissingSegment, catalog_.anchor_path(day), 0, "the day has an anchor but no records");
    }
  }

  void compare_head_note() {
    const std::string path = catalog_.folder() + "/head";
    const auto text = read_file(path);
    if (!text || text->empty()) return;
    const auto note = parse_head_note(*text, catalog_.identity().key);
    if (!note) return problem(ProblemKind::kBadSignature, path, 0, "the noted head is not signed by this ledger's key");
    std::uint64_t end = report_.last_seq;
    for (const auto& [day, anchor] : anchors_)
      if (anchor.signature_ok && anchor.unlinked_us != 0) end = std::max(end, anchor.last_seq);
    if (note->seq > end && !scope_.live)
      problem(ProblemKind::kShortOfHead, path, 0,
              "the ledger ends at seq " + std::to_string(end) + " but had signed seq " + std::to_string(note->seq));
  }

  void compare_tip() {
    std::uint64_t end = report_.last_seq, noted = 0;
    for (const auto& [day, anchor] : anchors_)
      if (anchor.signature_ok && anchor.unlinked_us != 0) end = std::max(end, anchor.last_seq);
    if (scope_.live) return;  // it moves on while we read
    if (auto problem = compare_with_tip(catalog_, end, end == report_.last_seq ? last_chain_ : Chain{}, noted))
      report_.problems.push_back(std::move(*problem));
  }

  const Catalog& catalog_;
  const VerifyScope& scope_;
  VerifyReport report_;
  std::map<std::int32_t, Anchor> anchors_;
  std::optional<SegmentName> last_name_;
  Chain last_chain_{}, day_first_{};
  std::uint64_t day_first_seq_ = 0;
};
}  // namespace

VerifyReport verify_catalog(const Catalog& catalog, const VerifyScope& scope) { return Verifier(catalog, scope).run(); }

ScanReport scan_catalog(const Catalog& catalog, const VerifyScope& scope, const Position& after, const Visitor& visit) {
  const SegmentName start{after.day, after.part};
  ScanReport report;
  const Listing listing = list_segments(catalog, scope);
  bool go_on = true;
  for (std::size_t i = 0; i < listing.segments.size(); ++i) {
    const SegmentName& name = listing.segments[i];
    const std::uint64_t limit = listing.limits.at(name);
    if (name < start || limit == 0) continue;
    if (!go_on) break;
    if (i + 1 < listing.segments.size() && name != start && after.seq != 0) {
      // All of it lies before `after` when the next segment begins there.
      const std::uint64_t next = first_seq(catalog, listing.segments[i + 1]);
      if (next != 0 && next <= after.seq + 1) continue;
    }
    const auto take = [&](const Frame& frame) {
      if (frame.seq <= after.seq) return true;
      ++report.records;
      go_on =
          visit({{frame.seq, name.day, name.part, frame.offset}, frame.time_us, frame.type, std::string(frame.fields)});
      return go_on;
    };
    const auto walk = catalog.walk(name, limit, report.problems, take, name == start ? after.offset : kSegmentHead);
    tell_tail(catalog, name, walk, name == listing.segments.back() && !scope.live, report.problems);
  }
  return report;
}

}  // namespace sekisho::store
