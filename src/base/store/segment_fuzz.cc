// Octets that claim to be a segment, an anchor or a head note; and segments made from the input and then damaged by it.
// covers: fields.cc head_note.cc segment.cc
#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/store/fields.h"
#include "base/store/head_note.h"
#include "base/store/segment.h"

namespace {
using namespace sekisho::store;

void read_all(std::string_view octets) {
  MemorySource source(octets);
  SegmentReader reader(source, Salt{}, octets.size(), 64);
  (void)reader.magic_ok();
  Frame frame;
  std::uint64_t end = 0, seq = 0;
  for (Step step = reader.next(frame); step != Step::kEnd; step = reader.next(frame)) {
    if (step != Step::kFrame && reader.resync(frame, seq) != Step::kFrame) break;
    if (frame.end <= end || frame.end > octets.size()) std::abort();
    end = frame.end, seq = frame.seq;
    FieldReader fields(frame.fields);
    while (fields.next()) continue;
  }
}

// Frames of the input's making, one octet changed: what is read must have been written, and the change must be seen.
void damage_one(std::string_view input) {
  if (input.size() < 4) return;
  const std::size_t at_raw = get_le(input.substr(0, 3));
  const char change = input[3];
  input.remove_prefix(4);
  // A salt that the input cannot know: it would carry whole frames of its own in a field.
  Chain chain = ChainHasher(Salt{}).next({}, input);
  Salt salt;
  std::copy_n(chain.begin(), salt.size(), salt.begin());
  chain = {};
  ChainHasher hasher(salt);
  std::string octets(kSegmentMagic);
  octets.append(chain.data(), chain.size());
  std::vector<std::string> written;
  while (!input.empty() && written.size() < 40) {
    const std::size_t size = std::min<std::size_t>(static_cast<std::uint8_t>(input[0]), input.size() - 1);
    written.emplace_back(input.substr(1, size));
    encode_frame(octets, chain, hasher, {written.size() + 1, 5, 16}, written.back());
    input.remove_prefix(1 + size);
  }
  if (written.empty() || change == 0) return;
  const std::size_t at = at_raw % octets.size();
  octets[at] = static_cast<char>(octets[at] ^ change);
  MemorySource source(octets);
  SegmentReader reader(source, salt, octets.size(), 64);
  bool told = !reader.magic_ok();
  std::size_t read = 0;
  Frame frame;
  std::uint64_t last = 0;
  for (;;) {
    Step step = reader.next(frame);
    if (step == Step::kEnd) break;
    if (step != Step::kFrame) {
      told = true;
      if (reader.resync(frame, last) != Step::kFrame) break;
    }
    if (frame.seq < 2 || frame.seq > written.size() + 1 || frame.seq <= last || written[frame.seq - 2] != frame.fields)
      std::abort();
    last = frame.seq;
    ++read;
  }
  if (!told || read + 2 < written.size()) std::abort();
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* input, std::size_t size) {
  const std::string_view octets(reinterpret_cast<const char*>(input), size);
  read_all(octets);
  damage_one(octets);
  (void)parse_anchor(octets, PublicKey{});
  (void)parse_head_note(octets, PublicKey{});
  (void)SegmentName::parse(octets);
  return 0;
}
