#pragma once
// Private to the room: the two halves of the cage. "" or why it is not there.
#include "base/process/process.h"

namespace sekisho::process {
std::string confine_files(const Cage& cage);
std::string confine_calls();
}  // namespace sekisho::process
