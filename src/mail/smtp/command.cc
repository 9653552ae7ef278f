#include "mail/smtp/command.h"

#include <algorithm>

#include "base/core/text.h"
#include "mail/smtp/parameters.h"

namespace sekisho::smtp {
namespace {
struct Row {
  std::string_view word;
  Verb verb;
};
constexpr Row kVerbs[] = {
    {"EHLO", Verb::kEhlo},         {"HELO", Verb::kHelo},       {"MAIL", Verb::kMail},      {"RCPT", Verb::kRcpt},
    {"DATA", Verb::kData},         {"RSET", Verb::kRset},       {"QUIT", Verb::kQuit},      {"NOOP", Verb::kNoop},
    {"STARTTLS", Verb::kStartTls}, {"VRFY", Verb::kVrfy},       {"HELP", Verb::kHelp},      {"BDAT", Verb::kBdat},
    {"EXPN", Verb::kKnown},        {"AUTH", Verb::kKnown},      {"ETRN", Verb::kKnown},     {"TURN", Verb::kKnown},
    {"ATRN", Verb::kKnown},        {"SEND", Verb::kKnown},      {"SOML", Verb::kKnown},     {"SAML", Verb::kKnown},
    {"BURL", Verb::kKnown},        {"XCLIENT", Verb::kXclient}, {"XFORWARD", Verb::kKnown}, {"GET", Verb::kHttp},
    {"POST", Verb::kHttp},         {"HEAD", Verb::kHttp},       {"PUT", Verb::kHttp},       {"DELETE", Verb::kHttp},
    {"OPTIONS", Verb::kHttp},      {"CONNECT", Verb::kHttp},    {"TRACE", Verb::kHttp},     {"PATCH", Verb::kHttp},
    {"PRI", Verb::kHttp},          {"PROPFIND", Verb::kHttp},   {"LHLO", Verb::kLhlo},
};

core::Error<Reply> refuse(int code, std::string_view enhanced, std::string text) {
  return core::error(Reply{code, std::string(enhanced), {std::move(text)}, false});
}

// One text per fault; the enhanced code says whose address it is (RFC 3463: 5.1.7 sender's, 5.1.3 recipient's mailbox
// syntax).
core::Error<Reply> refuse_path(PathError fault, bool sender) {
  const std::string_view syntax = sender ? "5.1.7" : "5.1.3";
  switch (fault) {
    case PathError::kBrackets:
      return refuse(501, "5.5.4", sender ? "Syntax: MAIL FROM:<address>" : "Syntax: RCPT TO:<address>");
    case PathError::kSyntax:
      return refuse(501, syntax, "Bad address syntax");
    case PathError::kLocalPart:
      return refuse(501, syntax, "Bad local part in address");
    case PathError::kNoDomain:
      return refuse(553, syntax, "The address needs a domain");
    case PathError::kDomain:
      return refuse(501, sender ? "5.1.8" : "5.1.2", "Bad domain in address");
    case PathError::kLiteral:
      return refuse(501, syntax, "Bad address literal");
    case PathError::kTooLong:
      return refuse(501, syntax, "Path too long");
    // RFC 6531 section 3.5: without SMTPUTF8 a non-ASCII mailbox gets 553 and 5.6.7.
    case PathError::kNonAscii:
      return refuse(553, "5.6.7", "Non-ASCII addresses are not taken without SMTPUTF8");
  }
  return refuse(501, syntax, "Bad address");
}

// "FROM:<path> parameters": the keyword, its colon and blanks many clients put behind it.
bool take_keyword(std::string_view& argument, std::string_view keyword) {
  if (!core::istarts_with(argument, keyword)) return false;
  argument.remove_prefix(keyword.size());
  while (!argument.empty() && core::is_wsp(argument[0])) argument.remove_prefix(1);
  return true;
}

// "Subject:" or "X-Mailer:text"; RFC 5322 section 2.2 allows more, real headers do not use it.
bool is_field_name(std::string_view word) {
  const std::size_t colon = word.find(':');
  if (colon == 0 || colon == std::string_view::npos) return false;
  return std::all_of(word.begin(), word.begin() + static_cast<std::ptrdiff_t>(colon),
                     [](char c) { return core::is_alnum(c) || c == '-' || c == '_'; });
}
}  // namespace

CommandLine split_command(std::string_view line) {
  const std::string_view word = take_word(line);
  CommandLine out;
  out.argument = line;
  for (const Row& row : kVerbs) {
    if (core::iequals(word, row.word)) {
      out.verb = row.verb;
      return out;
    }
  }
  if (is_field_name(word)) out.verb = Verb::kField;
  return out;
}

core::Result<HeloCommand, Reply> parse_helo(bool extended, std::string_view argument) {
  if (argument.empty()) return refuse(501, "5.5.4", extended ? "Syntax: EHLO hostname" : "Syntax: HELO hostname");
  if (argument.size() > 255) return refuse(501, "5.5.4", "The name is too long");
  if (!std::all_of(argument.begin(), argument.end(), core::is_vchar))
    return refuse(501, "5.5.4", "The name may hold printable ASCII without blanks only");
  return HeloCommand{extended, std::string(argument)};
}

core::Result<MailCommand, Reply> parse_mail(std::string_view argument, const Capabilities& offered, bool tls) {
  if (!take_keyword(argument, "FROM:")) return refuse_path(PathError::kBrackets, true);
  auto path = parse_path(argument, offered.smtp_utf8);
  if (!path) return refuse_path(path.error(), true);
  // Only RCPT may leave the domain out, and only for postmaster.
  if (path->kind == Path::Kind::kPostmaster) return refuse_path(PathError::kNoDomain, true);
  MailCommand command{std::move(*path), {}};
  if (!argument.empty() && !core::is_wsp(argument[0])) return refuse_path(PathError::kBrackets, true);
  auto fault = parse_parameters(argument, offered, tls, command.parameters);
  if (fault) return core::error(std::move(*fault));
  // RFC 6531 section 3.4: the parameter must be there when an address of the envelope is beyond ASCII.
  if (command.path.non_ascii && !command.parameters.smtp_utf8) return refuse_path(PathError::kNonAscii, true);
  return command;
}

core::Result<RcptCommand, Reply> parse_rcpt(std::string_view argument, const Capabilities& offered, bool smtp_utf8) {
  if (!take_keyword(argument, "TO:")) return refuse_path(PathError::kBrackets, false);
  auto path = parse_path(argument, smtp_utf8);
  if (!path) return refuse_path(path.error(), false);
  if (path->null()) return refuse(501, "5.1.3", "The null path is no recipient");
  if (!argument.empty() && !core::is_wsp(argument[0])) return refuse_path(PathError::kBrackets, false);
  RcptCommand command{std::move(*path), {}};
  auto fault = parse_parameters(argument, offered, smtp_utf8, command.parameters);
  if (fault) return core::error(std::move(*fault));
  return command;
}

// RFC 3030 section 2: chunk-size = 1*DIGIT, and after it nothing or LAST.
std::optional<BdatCommand> parse_bdat(std::string_view argument) {
  const std::string_view digits = argument.substr(0, argument.find(' '));
  const std::string_view marker = core::trim(argument.substr(digits.size()));
  const auto size = parse_count(digits);
  if (!size) return std::nullopt;
  if (!marker.empty() && !core::iequals(marker, "LAST")) return std::nullopt;
  return BdatCommand{*size, !marker.empty()};
}

}  // namespace sekisho::smtp
