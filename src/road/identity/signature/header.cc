#include <random>

#include "base/core/text.h"
#include "road/identity/signature/signature.h"

namespace sekisho::signature {
namespace {
std::size_t hash_name(std::string_view name) {
  // Seeded, so that nobody can prepare ten thousand field names for one slot.
  static const std::size_t seed = std::random_device{}() * 0x9e3779b97f4a7c15u;
  std::size_t hash = 1469598103934665603u ^ seed;
  for (char c : name) hash = (hash ^ static_cast<unsigned char>(core::lower(c))) * 1099511628211u;
  return hash ^ (hash >> 29);
}
}  // namespace

HeaderIndex::HeaderIndex(const mail::Message& message) : fields_(message.fields()), above_(fields_.size(), -1) {
  std::size_t size = 64;
  while (size < fields_.size() * 2) size *= 2;
  table_.assign(size, -1);
  for (std::size_t i = 0; i < fields_.size(); ++i) {
    std::size_t slot = hash_name(fields_[i].name) & (size - 1);
    while (table_[slot] >= 0 &&
           !core::iequals(fields_[static_cast<std::size_t>(bottom_[static_cast<std::size_t>(table_[slot])])].name,
                          fields_[i].name))
      slot = (slot + 1) & (size - 1);
    if (table_[slot] < 0) {
      table_[slot] = static_cast<std::int32_t>(bottom_.size());
      bottom_.push_back(-1);
    }
    auto& bottom = bottom_[static_cast<std::size_t>(table_[slot])];
    above_[i] = bottom;
    bottom = static_cast<std::int32_t>(i);
  }
}

std::int32_t* Selection::cursor(std::string_view name) {
  const std::size_t mask = index_.table_.size() - 1;
  for (std::size_t slot = hash_name(name) & mask; index_.table_[slot] >= 0; slot = (slot + 1) & mask) {
    const auto id = static_cast<std::size_t>(index_.table_[slot]);
    if (core::iequals(index_.fields_[static_cast<std::size_t>(index_.bottom_[id])].name, name)) return &next_[id];
  }
  return nullptr;
}

const mail::HeaderField* Selection::take(std::string_view name) {
  std::int32_t* next = cursor(name);
  while (next && *next >= 0) {
    const auto at = static_cast<std::size_t>(*next);
    *next = index_.above_[at];
    if (&index_.fields_[at] != skip_) return &index_.fields_[at];
  }
  return nullptr;
}

std::size_t Selection::left(std::string_view name) {
  std::size_t count = 0;
  const std::int32_t* next = cursor(name);
  for (std::int32_t at = next ? *next : -1; at >= 0; at = index_.above_[static_cast<std::size_t>(at)])
    if (&index_.fields_[static_cast<std::size_t>(at)] != skip_) ++count;
  return count;
}

std::optional<std::string> canonical_fields(const HeaderIndex& index, const mail::HeaderField* own,
                                            const std::vector<std::string_view>& names, Canon canon,
                                            core::Budget& budget, bool* from_left) {
  std::string text;
  text.reserve(2048);
  Selection selection(index, own);
  for (std::string_view name : names) {
    // Section 5.4.2: a name without a (further) field stands for nothing.
    const auto* header = selection.take(name);
    if (!budget.take_steps(header ? header->raw.size() + 16 : 16)) return {};
    if (header) append_canonical(canon, header->raw, text);
  }
  if (from_left) *from_left = selection.left("from") > 0;
  return text;
}

}  // namespace sekisho::signature
