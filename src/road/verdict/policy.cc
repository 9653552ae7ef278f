// The table itself: words, rows, and how a setting gets into it.
#include "base/core/text.h"
#include "road/verdict/cells.h"

namespace sekisho::verdict {
namespace {

constexpr Action kActions[] = {Action::kAccept, Action::kTag, Action::kQuarantine, Action::kDefer, Action::kReject};

constexpr std::string_view words_of(unsigned allowed) {
  switch (allowed) {
    case kAny:
      return "accept|tag|quarantine|defer|reject";
    case kNoFilter:
      return "accept|defer|reject";
    case kNever5xx:
      return "accept|tag|quarantine|defer";
    case kSoft:
      return "accept|tag|quarantine";
    case kRefusing:
      return "defer|reject";
    default:
      return "defer";
  }
}

constexpr std::string_view word_of(Action action) {
  constexpr std::string_view kWords[] = {"accept", "tag", "quarantine", "defer", "reject"};
  return kWords[static_cast<std::size_t>(action)];
}

constexpr CellRow kCells[] = {
#define CELL(id, stage, moment, room, code, fallback, allowed, basis, reject, defer, reply, meaning, meaning_ja) \
  {Stage::stage, Moment::moment, room, code, Action::fallback, allowed, Basis::basis, reject, defer, reply},
#include "road/verdict/cells.def"
#undef CELL
};

constexpr PolicyRow kRows[] = {
#define CELL(id, stage, moment, room, code, fallback, allowed, basis, reject, defer, reply, meaning, meaning_ja) \
  {"policy." #id, word_of(Action::fallback), words_of(allowed), meaning, meaning_ja},
#include "road/verdict/cells.def"
#undef CELL
};

}  // namespace

const CellRow& row(Cell cell) { return kCells[static_cast<std::size_t>(cell)]; }

std::span<const PolicyRow> policy_table() { return kRows; }

std::string_view word(Action action) { return word_of(action); }

std::string_view word(Stage stage) {
  constexpr std::string_view kWords[] = {"connection", "envelope", "identity", "reputation", "consent", "content"};
  return kWords[static_cast<std::size_t>(stage)];
}

std::string_view word(Basis basis) {
  constexpr std::string_view kWords[] = {"consent", "legitimate_business_act", "self_defence", "court_order"};
  return kWords[static_cast<std::size_t>(basis)];
}

std::string_view word(Override reason) {
  constexpr std::string_view kWords[] = {"",    "trusted_forwarder", "mailing_list",
                                         "arc", "policy_test_mode",  "operator"};
  return kWords[static_cast<std::size_t>(reason)];
}

Policy::Policy() {
  for (std::size_t i = 0; i < actions.size(); ++i) actions[i] = kCells[i].fallback;
}

core::Result<void, std::string> Policy::set(std::string_view key, std::string_view value) {
  for (std::size_t i = 0; i < actions.size(); ++i) {
    if (kRows[i].key != key) continue;
    for (const auto action : kActions) {
      if (value != word_of(action) || !(kCells[i].allowed & bit(action))) continue;
      actions[i] = action;
      return {};
    }
    return core::error(std::string(key) + ": \"" + core::printable(value, 40) +
                       "\" is not one of: " + std::string(kRows[i].allowed));
  }
  return core::error("no such setting: " + core::printable(key, 60));
}

}  // namespace sekisho::verdict
