#pragma once
// Inner header: the parameters behind the path of MAIL and RCPT, and what the commands' parsers share. A fault is the
// reply.
#include <cstdint>
#include <optional>
#include <string_view>

#include "mail/smtp/command.h"

namespace sekisho::smtp {

std::optional<Reply> parse_parameters(std::string_view text, const Capabilities& offered, bool tls,
                                      MailParameters& out);
std::optional<Reply> parse_parameters(std::string_view text, const Capabilities& offered, bool smtp_utf8,
                                      RcptParameters& out);
// The word at the front of a command; it and the blanks behind it are taken off.
std::string_view take_word(std::string_view& rest);
// 1*DIGIT; UINT64_MAX stands for all that is too big to count.
std::optional<std::uint64_t> parse_count(std::string_view digits);

}  // namespace sekisho::smtp
