#pragma once
// SMTP commands: the verb table and one small parser per verb. Errors are the replies the client gets.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/core/result.h"
#include "mail/smtp/path.h"
#include "mail/smtp/reply.h"

namespace sekisho::smtp {

enum class Verb : unsigned char {
  kEhlo,
  kHelo,
  kMail,
  kRcpt,
  kData,
  kRset,
  kNoop,
  kVrfy,
  kHelp,
  kQuit,
  kStartTls,
  kXclient,  // of a trusted peer only
  kBdat,     // not offered: what follows it is not commands, so the session ends
  kKnown,    // a verb of some RFC that this server does not implement (EXPN, AUTH, ETRN ...)
  kHttp,     // a web browser or proxy, perhaps made to carry SMTP in its body
  kField,    // "Subject: ..." where a command belongs: a blind client writes its message, nobody listens to replies
  kUnknown,
};

struct CommandLine {
  Verb verb = Verb::kUnknown;
  std::string_view argument;  // after the verb, blanks around it taken off
};
// A line without its CRLF. Letter case of the verb does not matter (RFC 5321 section 2.4).
CommandLine split_command(std::string_view line);

enum class BodyType : unsigned char { kUnstated, kSevenBit, kEightBitMime };

struct MailParameters {
  std::optional<std::uint64_t> size;    // RFC 1870
  BodyType body = BodyType::kUnstated;  // RFC 6152
};

// What the next hop can take; EHLO offers only that.
struct Capabilities {
  bool eight_bit_mime = true;
  std::uint64_t size_limit_bytes = UINT64_MAX;  // the smaller one of this and the gate's own counts
};

struct HeloCommand {
  bool extended = false;  // EHLO
  std::string domain;     // as sent: 1..255 printable octets without blanks; not checked against anything
};
struct MailCommand {
  Path path;
  MailParameters parameters;
};

core::Result<HeloCommand, Reply> parse_helo(bool extended, std::string_view argument);
core::Result<MailCommand, Reply> parse_mail(std::string_view argument, const Capabilities& offered);
core::Result<Path, Reply> parse_rcpt(std::string_view argument);

}  // namespace sekisho::smtp
