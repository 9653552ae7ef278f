#pragma once
// Inner header: the parameters behind the path of MAIL and RCPT. A fault is the reply.
#include <optional>
#include <string_view>

#include "mail/smtp/command.h"

namespace sekisho::smtp {

std::optional<Reply> parse_parameters(std::string_view text, const Capabilities& offered, bool tls,
                                      MailParameters& out);
std::optional<Reply> parse_parameters(std::string_view text, const Capabilities& offered, bool smtp_utf8,
                                      RcptParameters& out);

}  // namespace sekisho::smtp
