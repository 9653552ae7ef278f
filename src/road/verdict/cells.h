#pragma once
// Private to the room: the rows of cells.def as the deciding code reads them.
#include "road/verdict/verdict.h"

namespace sekisho::verdict {

constexpr unsigned bit(Action action) { return 1u << static_cast<unsigned>(action); }
constexpr unsigned kSoft = bit(Action::kAccept) | bit(Action::kTag) | bit(Action::kQuarantine);
constexpr unsigned kNever5xx = kSoft | bit(Action::kDefer);
constexpr unsigned kAny = kNever5xx | bit(Action::kReject);
constexpr unsigned kNoFilter = bit(Action::kAccept) | bit(Action::kDefer) | bit(Action::kReject);
constexpr unsigned kRefusing = bit(Action::kDefer) | bit(Action::kReject);
constexpr unsigned kDeferring = bit(Action::kDefer);

struct CellRow {
  Stage stage;
  Moment moment;  // the earliest at which its action is taken
  std::string_view room, code;
  Action fallback;
  unsigned allowed;  // bits of Action
  Basis basis;
  std::string_view reject, defer, reply;
};
const CellRow& row(Cell cell);

// 550 5.7.26 and the like out of the cell, the text out of cell and evidence.
smtp::Reply make_reply(Cell cell, Action action, Moment moment, std::string_view evidence);

}  // namespace sekisho::verdict
