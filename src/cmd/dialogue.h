#pragma once
// A plain SMTP client for the lab: one line, one reply, from a loopback address of one's choice.
#include <memory>
#include <optional>
#include <string>

#include "base/core/ip_address.h"
#include "base/io/io.h"

namespace sekisho::cmd {

class Dialogue {
 public:
  static core::Task<std::optional<Dialogue>> open(io::Endpoint to, std::optional<core::IpAddress> from);
  // The last line of a reply; "" when the connection ended or 60 s passed.
  core::Task<std::string> reply();
  core::Task<std::string> say(std::string line);  // adds CRLF
  core::Task<bool> send(std::string octets);

 private:
  explicit Dialogue(io::Socket socket) : socket_(std::move(socket)) {}
  io::Socket socket_;
  std::string carry_;
};

struct LabMail {
  std::string ip, helo, mail_from, rcpt;
  std::optional<std::uint64_t> size;  // SIZE= as claimed
  std::string octets;                 // CRLF; dot-stuffed by send_mail unless raw
  bool raw = false;
};
// The whole transaction; gives the reply that decided (the first refusal, or that to the final dot), "" when the server
// went away.
core::Task<std::string> send_mail(io::Endpoint to, LabMail mail);
std::string with_crlf(const std::string& octets);
std::string dot_stuffed(const std::string& octets);  // CRLF in, with the final ".CRLF"

}  // namespace sekisho::cmd
