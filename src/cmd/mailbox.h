#pragma once
// A mailbox for the commands: one mbox file, one message file, or a folder of message files (Maildirs too), in the
// order of their names. In a folder each file is one message; a leading mbox "From " line is taken off. In an mbox
// ">From " quoting is undone (mboxrd).
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/core/ip_address.h"
#include "base/core/result.h"
#include "mail/message/message.h"

namespace sekisho::cmd {

class Mailbox {
 public:
  static core::Result<Mailbox, std::string> open(const std::string& path);
  std::size_t size() const { return entries_.size(); }
  std::string name(std::size_t i) const;                             // file, or file:number in an mbox
  core::Result<std::string, std::string> read(std::size_t i) const;  // octets as they lie there (LF or CRLF)

 private:
  struct Entry {
    std::string file;
    std::uint64_t offset = 0, size = 0;
    std::size_t number = 0;  // 0: the file is the message
  };
  std::vector<Entry> entries_;
};

// What an outsider would say in MAIL FROM: the Return-Path when the message has one, else the first address of From; ""
// when neither can be used.
std::string likely_mail_from(const std::string& octets);

// Who brought the mail to the border: the topmost Received field that names an address which is not private. Nothing is
// trusted here, it is only the best that an old mailbox can tell.
std::optional<core::IpAddress> likely_client(const mail::Message& message);
std::string likely_helo(const mail::Message& message);

}  // namespace sekisho::cmd
