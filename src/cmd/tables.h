#pragma once
// The joined tables of all rooms.
#include "base/config/config.h"

namespace sekisho::cmd {
const config::Table& option_table();
}
