#pragma once
// Two small signed texts beside the segments: `head`, the last signed point of the ledger (so that cutting whole
// records off its end is seen), and the making of a day's anchor. Private to base/store.
#include "base/store/catalog.h"

namespace sekisho::store {

struct HeadNote {
  std::uint64_t seq = 0;
  Chain chain{};
};
std::string format_head_note(const HeadNote& note, const Signer& signer);
// Nothing when the text is empty or no note, or its signature does not hold.
std::optional<HeadNote> parse_head_note(std::string_view text, const PublicKey& key);

// The anchor of a finished day whose last record is (last_seq, last). Reads the day's first record.
std::optional<Anchor> make_anchor(const Catalog& catalog, std::int32_t day, std::uint64_t last_seq, const Chain& last);

}  // namespace sekisho::store
