#pragma once
// An SMTP reply (RFC 5321 section 4.2) with its enhanced status code (RFC 3463). A type, never a negative int.
#include <string>
#include <vector>

namespace sekisho::smtp {

struct Reply {
  int code = 250;        // 2xx 3xx 4xx 5xx
  std::string enhanced;  // "5.7.26", or empty where none belongs (220, 354, EHLO)
  // Text, one entry a line; printable ASCII, the writer cuts and escapes what is not.
  std::vector<std::string> lines{""};
  bool close = false;  // hang up after it
  bool heard = false;  // said by a server we are the client of, not made here
  bool positive() const { return code < 400; }
  bool temporary() const { return code >= 400 && code < 500; }
  // The octets with CRLFs, "250-2.1.0 text\r\n250 ..."; every line carries the enhanced code.
  std::string format() const;
};

}  // namespace sekisho::smtp
