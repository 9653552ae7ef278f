#include "base/store/catalog.h"

#include <dirent.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "base/core/text.h"
#include "base/store/fields.h"

namespace sekisho::store {

namespace {
constexpr std::size_t kSignatureField = 4 + 64;

std::vector<std::string> list(const std::string& folder) {
  std::vector<std::string> names;
  DIR* handle = ::opendir(folder.c_str());
  if (handle == nullptr) return names;
  while (const dirent* entry = ::readdir(handle)) names.emplace_back(entry->d_name);
  ::closedir(handle);
  std::sort(names.begin(), names.end());
  return names;
}
}  // namespace

std::string_view word(ProblemKind kind) {
  switch (kind) {
    case ProblemKind::kTornTail:
      return "torn_tail";
    case ProblemKind::kDamaged:
      return "damaged";
    case ProblemKind::kUnreadable:
      return "unreadable";
    case ProblemKind::kSeqGap:
      return "seq_gap";
    case ProblemKind::kBrokenChain:
      return "broken_chain";
    case ProblemKind::kBadSignature:
      return "bad_signature";
    case ProblemKind::kMissingSegment:
      return "missing_segment";
    case ProblemKind::kBadAnchor:
      return "bad_anchor";
    case ProblemKind::kShortOfHead:
      return "short_of_head";
  }
  return "problem";
}

std::string head_text(const Chain& before, const FrameFacts& facts, std::string_view fields_before_signature) {
  std::string out = "sekisho ledger head 1\n";
  out.append(before.data(), before.size());
  put_le(out, facts.type, 2);
  put_le(out, facts.seq, 8);
  put_le(out, static_cast<std::uint64_t>(facts.time_us), 8);
  out += fields_before_signature;
  return out;
}

std::string SegmentName::file() const {
  char part_text[16];
  std::snprintf(part_text, sizeof part_text, ".%03u.log", part);
  return day_text(day) + part_text;
}

std::optional<SegmentName> SegmentName::parse(std::string_view file) {
  if (file.size() < 18 || file[10] != '.' || !file.ends_with(".log")) return {};
  const auto day = parse_day(file.substr(0, 10));
  const auto part = core::parse_uint(file.substr(11, file.size() - 15), 0xffff);
  if (!day || !part) return {};
  const SegmentName name{*day, static_cast<std::uint16_t>(*part)};
  if (name.file() != file) return {};
  return name;
}

HeadFacts read_head(const Frame& frame, const Identity& identity) {
  HeadFacts head;
  std::optional<std::uint64_t> day, part, previous_day, previous_part;
  FieldReader reader(frame.fields);
  while (const auto field = reader.next()) {
    if (field->tag == kTagKind) head.kind = static_cast<int>(field->u64().value_or(99));
    if (field->tag == kTagDay) day = field->u64();
    if (field->tag == kTagPart) part = field->u64();
    if (field->tag == kTagPrevDay) previous_day = field->u64();
    if (field->tag == kTagPrevPart) previous_part = field->u64();
    if (field->tag == kTagPrevEnd) head.previous_end = field->u64().value_or(0);
    if (field->tag != kTagSignature || field->value.size() != 64 || frame.fields.size() < kSignatureField) continue;
    const auto before = frame.fields.substr(0, frame.fields.size() - kSignatureField);
    head.signature_ok = signature_holds(identity.key, head_text(frame.before, frame, before), field->value);
  }
  if (day && part) head.self = SegmentName{static_cast<std::int32_t>(*day), static_cast<std::uint16_t>(*part)};
  if (previous_day && previous_part)
    head.previous = SegmentName{static_cast<std::int32_t>(*previous_day), static_cast<std::uint16_t>(*previous_part)};
  return head;
}

std::vector<SegmentName> Catalog::segments() const {
  const auto known = anchors(nullptr);
  std::vector<SegmentName> out;
  for (const auto& file : list(folder_)) {
    const auto name = SegmentName::parse(file);
    if (!name) continue;
    const auto anchor = known.find(name->day);
    if (anchor != known.end() && anchor->second.signature_ok && anchor->second.unlinked_us != 0) continue;
    out.push_back(*name);
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::map<std::int32_t, Anchor> Catalog::anchors(Problems* problems) const {
  std::map<std::int32_t, Anchor> out;
  for (const auto& file : list(folder_)) {
    if (!file.ends_with(".anchor")) continue;
    const auto day = parse_day(std::string_view(file).substr(0, file.size() - 7));
    if (!day) continue;
    const std::string whole = folder_ + "/" + file;
    const auto text = read_file(whole);
    const auto anchor = text ? parse_anchor(*text, identity_.key) : std::nullopt;
    if (!anchor || anchor->day != day_text(*day)) {
      if (problems) problems->push_back({ProblemKind::kBadAnchor, whole, 0, "the anchor of this day cannot be read"});
      continue;
    }
    if (!anchor->signature_ok && problems)
      problems->push_back({ProblemKind::kBadSignature, whole, 0, "the anchor is not signed by this ledger's key"});
    out[*day] = *anchor;
  }
  return out;
}

Limits Catalog::limits(const std::vector<SegmentName>& segments) const {
  Limits out;
  for (const auto& name : segments) {
    out.try_emplace(name, UINT64_MAX);
    auto source = FileSource::open(path(name));
    if (!source) continue;
    SegmentReader reader(**source, identity_.salt, (*source)->size());
    Frame frame;
    if (!reader.magic_ok() || reader.next(frame) != Step::kFrame || frame.type != kTypeHead) continue;
    const HeadFacts head = read_head(frame, identity_);
    if (!head.signature_ok || !head.previous || !(*head.previous < name)) continue;
    out[*head.previous] = head.previous_end;
    // What lies between them was given up before it held anything.
    for (auto skipped = out.upper_bound(*head.previous); skipped != out.end() && skipped->first < name; ++skipped)
      skipped->second = 0;
  }
  return out;
}

namespace {
// Damage at reader.offset(): true when a later record was found (in frame) and the damage is told.
bool skip_damage(SegmentReader& reader, Frame& frame, std::uint64_t last_seq, const std::string& path,
                 Problems& problems) {
  const std::uint64_t bad = reader.offset();
  if (reader.resync(frame, last_seq) != Step::kFrame) return false;
  problems.push_back({ProblemKind::kDamaged, path, bad,
                      std::to_string(frame.offset - bad) + " octets are no record; the next readable one is seq " +
                          std::to_string(frame.seq) + " at offset " + std::to_string(frame.offset)});
  return true;
}
}  // namespace

Catalog::Walk Catalog::walk(const SegmentName& name, std::uint64_t limit, Problems& problems,
                            const std::function<bool(const Frame&)>& visit, std::uint64_t from) const {
  Walk walk;
  const std::string file = path(name);
  auto source = FileSource::open(file);
  if (!source) {
    problems.push_back({source.error() == ENOENT ? ProblemKind::kMissingSegment : ProblemKind::kUnreadable, file, 0,
                        os_failure(source.error(), file, 0, "cannot be opened").text()});
    return walk;
  }
  walk.size = (*source)->size();
  if (limit != UINT64_MAX && walk.size < limit)
    problems.push_back({ProblemKind::kDamaged, file, walk.size,
                        "the file ends here, but its records reached to offset " + std::to_string(limit)});
  SegmentReader reader(**source, identity_.salt, std::min(limit, walk.size));
  reader.seek(std::max<std::uint64_t>(from, kSegmentHead));
  walk.started = reader.magic_ok();
  if (!walk.started && walk.size >= kSegmentHead && reader.os_error() == 0)
    problems.push_back({ProblemKind::kDamaged, file, 0, "the file does not begin like a segment"});
  const std::uint64_t file_size = walk.size;
  std::optional<std::uint64_t> content;
  Frame frame;
  for (;;) {
    Step step = reader.next(frame);
    bool skipped = false;
    // A segment that was closed is cut behind its last record. One that was not may end in zeros, and no frame begins
    // so.
    if (limit == UINT64_MAX && walk.records > 0 && (step == Step::kTorn || step == Step::kDamage)) {
      if (!content) content = reader.content_end();
      walk.size = std::max(*content, reader.offset());  // the last octets of a record may be zeros, too
      walk.reserve = file_size - walk.size;
      if (walk.size == reader.offset()) step = Step::kEnd;
    }
    if (step == Step::kTorn || step == Step::kDamage) {
      if (reader.os_error() == 0 && skip_damage(reader, frame, walk.last_seq, file, problems))
        skipped = true, step = Step::kFrame;
    }
    if (step != Step::kFrame) {
      walk.stopped = step;
      if (reader.os_error() != 0)
        problems.push_back({ProblemKind::kUnreadable, file, reader.offset(),
                            os_failure(reader.os_error(), file, reader.offset(), "reading").text()});
      return walk;
    }
    if (!skipped && walk.last_seq != 0 && frame.seq != walk.last_seq + 1)
      problems.push_back({ProblemKind::kSeqGap, file, frame.offset,
                          "seq " + std::to_string(frame.seq) + " follows " + std::to_string(walk.last_seq)});
    if (walk.records++ == 0) walk.first = frame.before, walk.first_seq = frame.seq;
    walk.last = frame.chain;
    walk.last_seq = frame.seq;
    walk.end = frame.end;
    if (!visit(frame)) return walk.stopped = Step::kFrame, walk;
  }
}

}  // namespace sekisho::store
