#include "base/store/head_note.h"

#include <algorithm>

#include "base/core/text.h"

namespace sekisho::store {

namespace {
constexpr std::string_view kTitle = "sekisho ledger head\n";
}

std::string format_head_note(const HeadNote& note, const Signer& signer) {
  const std::string text = std::string(kTitle) + "seq " + std::to_string(note.seq) + "\nchain " +
                           core::hex({note.chain.data(), kChainSize}) + "\n";
  const Signature signature = signer.sign(text);
  return text + "signature " + core::hex({signature.data(), signature.size()}) + "\n";
}

std::optional<HeadNote> parse_head_note(std::string_view text, const PublicKey& key) {
  const auto chain_at = text.find("\nchain "), signature_at = text.find("\nsignature ");
  if (!text.starts_with("sekisho ledger head\nseq ") || chain_at == text.npos || signature_at == text.npos ||
      signature_at < chain_at || !text.ends_with('\n') || text.size() < signature_at + 12)
    return {};
  const std::size_t seq_at = kTitle.size() + 4;
  if (chain_at < seq_at) return {};
  const auto seq = core::parse_uint(text.substr(seq_at, chain_at - seq_at));
  const auto chain = core::unhex(text.substr(chain_at + 7, signature_at - chain_at - 7));
  const auto signature = core::unhex(text.substr(signature_at + 11, text.size() - signature_at - 12));
  if (!seq || !chain || chain->size() != kChainSize || !signature) return {};
  if (core::hex(*signature) != text.substr(signature_at + 11, text.size() - signature_at - 12)) return {};
  if (!signature_holds(key, text.substr(0, signature_at + 1), *signature)) return {};
  HeadNote note{*seq, {}};
  std::copy(chain->begin(), chain->end(), note.chain.begin());
  return note;
}

std::optional<Anchor> make_anchor(const Catalog& catalog, std::int32_t day, std::uint64_t last_seq, const Chain& last) {
  Problems ignored;  // the day itself is judged by verify
  for (const auto& name : catalog.segments()) {
    if (name.day != day) continue;
    const auto walk = catalog.walk(name, UINT64_MAX, ignored, [](const Frame&) { return false; });
    if (walk.records == 0) continue;
    return Anchor{day_text(day), walk.first_seq, last_seq, walk.first, last, 0, true};
  }
  return {};
}

}  // namespace sekisho::store
