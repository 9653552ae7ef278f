#pragma once
// Inner header: what is sent to a next hop to see how it reads line ends, and the mail that is compared on arrival.
// Sans I/O.
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace sekisho::doctor {

// Octets that some servers take for the end of a message, though only CRLF.CRLF is (RFC 5321 section 4.1.1.4).
struct EndVariant {
  std::string_view name;  // "<LF>.<LF>"
  std::string_view octets;
};
std::span<const EndVariant> end_variants();

// Octets no message may hold (section 2.3.8), each in the place where it would do harm.
struct ContentVariant {
  std::string_view name;  // "a bare CR in a header field"
  std::string_view header, body;
  std::string_view stray;  // what must not be found on arrival
};
std::span<const ContentVariant> content_variants();

// A message that a careless server changes: folds, trailing blanks, dots, 8 bits, long lines, empty lines at the end.
std::string marked_message(std::string_view host, std::string_view rcpt, std::string_view marker, bool eight_bit);
std::string dot_stuffed(std::string_view message);  // with the final CRLF.CRLF
// Compares a stored mail with the one sent: line ends as such may be LF; fields on top are the servers' own. "" or the
// first difference.
std::string difference(std::string_view sent, std::string_view stored);

// The newest stored mail that holds the marker, from a Maildir or an mbox file.
std::optional<std::string> find_mail(const std::string& mailbox, std::string_view marker);

}  // namespace sekisho::doctor
