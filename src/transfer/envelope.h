#pragma once
// Inner header: the commands that carry an envelope to the next hop.
#include <string>
#include <vector>

#include "transfer/transfer.h"

namespace sekisho::transfer {

bool is_ascii(std::string_view text);
// XFORWARD with what the next hop asks for, each line with its CRLF and under 512 octets.
std::vector<std::string> xforward_commands(const Client& client, std::uint32_t attributes);

}  // namespace sekisho::transfer
