#pragma once
// Messages as the commands read them: a file or '-' for standard input.
#include <memory>
#include <string>

#include "base/core/result.h"
#include "mail/message/message.h"

namespace sekisho::cmd {

constexpr std::size_t kMaxFile = 1u << 30;
// The octets, or one line that says what is wrong.
core::Result<std::string, std::string> read_octets(const std::string& path);
core::Result<std::shared_ptr<const mail::Message>, std::string> read_message(const std::string& path,
                                                                             core::Budget& budget);

}  // namespace sekisho::cmd
