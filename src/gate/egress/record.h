#pragma once
// What the ledger is told of an outgoing mail: `decided` with road "outbound" and the changes, then `outcome`.
#include <vector>

#include "gate/egress/mend.h"

namespace sekisho::egress {

struct Told {
  std::string host;
  transfer::RcptOutcome outcome;
  smtp::Reply reply;  // what the queue is told
};
trail::Decided decided_of(const Config& config, const session::SessionFacts& facts, const Mail& mail,
                          const std::vector<smtp::Path>& rcpts, const mail::Message& message, const Mended& mended);
trail::Outcome outcome_of(const Mail& mail, const std::vector<smtp::Path>& rcpts, const std::vector<Told>& told,
                          std::int64_t duration_us);

}  // namespace sekisho::egress
