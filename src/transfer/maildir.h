#pragma once
// Delivery into Maildirs (tmp, new, cur), durable before it is reported. Blocking: runs on the Pool.
#include <optional>
#include <string>
#include <string_view>

#include "transfer/data_writer.h"

namespace sekisho::transfer {

// domain/local in lower case, every octet that is not plain escaped as %XX. Nothing for a path that is no address.
std::optional<std::string> mailbox_folder(std::string_view rcpt, std::string_view default_domain);

struct MaildirJob {
  std::string folder;   // exists; mailboxes are made below it
  std::string mailbox;  // from mailbox_folder
  std::string file;     // unique
};
// "1700000000.M123456P42R0123456789abcdef.host" as maildir(5) wants it.
std::string unique_file(std::int64_t now_us, std::uint64_t random, std::string_view host);

RcptOutcome deliver_to_maildir(const MaildirJob& job, MessageStream stream);

}  // namespace sekisho::transfer
