#pragma once
// What an SMTP server is told at its start, and what it counts.
#include <cstdint>
#include <string>

#include "mail/smtp/data_reader.h"

namespace sekisho::smtp {

struct ServerSettings {
  std::string host_name = "localhost";  // in the greeting and in EHLO's first line
  DataLimits data;
  std::uint64_t command_line_bytes = 2048;      // with CRLF; RFC 5321's 512 plus room for extensions
  std::uint64_t command_discard_bytes = 65536;  // an over-long line is read this far, then the session ends
  std::uint32_t recipient_limit = 1000;         // RFC 5321 section 4.5.3.1.8: at least 100; 452 beyond it
  std::uint32_t mail_limit = 10'000;            // MAIL commands in one session; 421 beyond it
  std::uint32_t recipient_flood_limit = 2000;   // that many more 452 and the session ends
  std::uint32_t unknown_recipient_limit = 20;   // a harvest of addresses ends here
  std::uint32_t error_limit = 20;
  std::uint32_t junk_limit = 100;  // commands that bring no mail: NOOP, RSET, VRFY, HELP, EHLO again
  bool starttls = false;           // a certificate is there
  bool lmtp = false;               // RFC 2033: LHLO, and after the message one reply for each accepted recipient
};

// What happened in one session, as counts. Names are stable: the ledger and the verdict use them.
struct SessionEvents {
  std::uint32_t early_talker = 0;          // spoke before the greeting; the session notes it
  std::uint32_t unauth_pipelining = 0;     // did not wait where it must
  std::uint32_t starttls_injection = 0;    // clear text behind STARTTLS
  std::uint32_t http = 0, stray_text = 0;  // requests or header fields where commands belong
  std::uint32_t proxy_refused = 0;         // no good PROXY header of a peer that must send one; the session notes it
  std::uint32_t xclient_denied = 0;        // XCLIENT from a peer that may not
  std::uint32_t dha = 0;                   // directory harvest: too many unknown recipients
  std::uint32_t bare_line_end = 0;
  std::uint32_t nul = 0;
  std::uint32_t errors = 0;      // 5xx to commands
  std::uint32_t recipients = 0;  // accepted
  std::uint32_t unknown_recipients = 0;
  std::uint32_t messages = 0;  // read whole and put to the road
  std::uint32_t accepted = 0;  // of those, answered 2xx
};

}  // namespace sekisho::smtp
