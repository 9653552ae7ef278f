#pragma once
// Replies of the next hop (RFC 5321 section 4.2), sans I/O. Lines end with CRLF only; what is not a reply ends the
// session.
#include <string>
#include <string_view>

#include "mail/smtp/line_reader.h"
#include "mail/smtp/reply.h"

namespace sekisho::transfer {

class ReplyParser {
 public:
  enum class State : unsigned char { kMore, kDone, kBad };
  // Takes octets from the front of input up to the end of one reply. After kDone take() empties it for the next one.
  State feed(std::string_view& input);
  smtp::Reply take();
  bool idle() const { return line_.empty() && reply_.lines.empty(); }

 private:
  State line_end();

  smtp::LineReader lines_{kLineLimit};
  std::string line_;
  smtp::Reply reply_{0, "", {}};
  static constexpr std::size_t kLineLimit = 2048;  // RFC 5321 section 4.5.3.1.5 says 512; enhanced texts are longer
  static constexpr std::size_t kMaxLines = 128;
};

// "4.2.2" at the front of text when it is an RFC 3463 code of the class of `code`; empty otherwise.
std::string_view enhanced_code(std::string_view text, int code);

// The id under which the next hop says it keeps the message: "queued as X" (Postfix), "id=X" (Exim), "X Message
// accepted" (Sendmail, OpenSMTPD), "<rcpt> X Saved" (Dovecot), "ok 123 qp 456" (qmail). Empty when the text has no such
// form.
std::string queue_id(const smtp::Reply& reply);

}  // namespace sekisho::transfer
