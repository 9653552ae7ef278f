#pragma once
// What the queue is told of a recipient: the world's words with the name of who said them, or ours. Never a 250 that
// was not given, never a 5xx for a fault of the network.
#include <string>

#include "transfer/transfer.h"

namespace sekisho::egress {

smtp::Reply tell(const std::string& host, const transfer::RcptOutcome& outcome);
std::string text_of(const smtp::Reply& reply);  // one printable line, for the ledger

}  // namespace sekisho::egress
