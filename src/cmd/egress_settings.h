#pragma once
// [egress], [[egress_list]] and the key of the seals, as the egress gate uses them.
#include <vector>

#include "cmd/settings.h"

namespace sekisho::cmd {

// Needs the road, gate and signing settings. Adds what is wrong to problems.
void read_egress(Settings& settings, std::vector<config::Problem>& problems);

}  // namespace sekisho::cmd
