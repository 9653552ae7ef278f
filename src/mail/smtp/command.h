#pragma once
// SMTP commands: the verb table and one small parser per verb. Errors are the replies the client gets.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/core/result.h"
#include "mail/address/address.h"
#include "mail/smtp/path.h"
#include "mail/smtp/reply.h"

namespace sekisho::smtp {

enum class Verb : unsigned char {
  kEhlo,
  kHelo,
  kLhlo,  // LMTP
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
  kBdat,
  kKnown,  // a verb of some RFC that this server does not implement (EXPN, AUTH, ETRN ...)
  kHttp,   // a web browser or proxy, perhaps made to carry SMTP in its body
  kField,  // "Subject: ..." where a command belongs: a blind client writes its message, nobody listens to replies
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
  std::optional<std::uint64_t> size;       // RFC 1870
  BodyType body = BodyType::kUnstated;     // RFC 6152
  bool smtp_utf8 = false;                  // RFC 6531
  bool require_tls = false;                // RFC 8689
  std::optional<mail::Address> submitter;  // RFC 4405: who claims to be responsible
  std::string ret, envid;                  // RFC 3461: "FULL" or "HDRS"; xtext as it came; empty = not given
};
struct RcptParameters {
  std::string notify, orcpt;  // RFC 3461, as they came; empty = not given
};

// What the next hop can take; EHLO offers only that.
struct Capabilities {
  bool eight_bit_mime = true;
  bool smtp_utf8 = false, dsn = false;
  bool submitter = false;                       // RFC 4405: only where a message of another PRA is refused
  bool require_tls = false;                     // over a proven TLS session; EHLO offers it under TLS only
  std::uint32_t recipient_limit = UINT32_MAX;   // likewise the smaller one
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

struct RcptCommand {
  Path path;
  RcptParameters parameters;
};
struct BdatCommand {
  std::uint64_t size_bytes = 0;  // UINT64_MAX stands for all that is too big to count
  bool last = false;
};

core::Result<HeloCommand, Reply> parse_helo(bool extended, std::string_view argument);
core::Result<MailCommand, Reply> parse_mail(std::string_view argument, const Capabilities& offered, bool tls = false);
// smtp_utf8: MAIL had it.
core::Result<RcptCommand, Reply> parse_rcpt(std::string_view argument, const Capabilities& offered,
                                            bool smtp_utf8 = false);
// Nothing when it is not "SIZE" or "SIZE LAST" to the letter: then nobody knows where its octets end.
std::optional<BdatCommand> parse_bdat(std::string_view argument);

}  // namespace sekisho::smtp
