// Address lists: what comes out parses alone to the same, and nothing dangerous gets through.
// covers: lexer.cc mailbox.cc
#include <cstdlib>

#include "mail/address/mailbox.h"

using namespace sekisho::mail;

namespace {
void must(bool holds) {
  if (!holds) std::abort();
}

void check(std::string_view value, Escapes escapes) {
  sekisho::core::Budget budget;
  const MailboxList list = parse_mailboxes(value, budget, escapes);
  must(!list.oddities.none() == !list.oddities.words().empty());
  for (const Mailbox& box : list.mailboxes) {
    for (const std::string* text : {&box.display_name, &box.comment, &box.addr_spec}) {
      must(text->find_first_of("\r\n") == std::string::npos);
      must(text->size() <= 2 * value.size() + 2);
    }
    if (!box.address) continue;
    must(!box.addr_spec.empty());
    sekisho::core::Budget more;
    const MailboxList again = parse_mailboxes("<" + box.address->text() + ">", more, Escapes::kOctets);
    must(again.mailboxes.size() == 1 && again.mailboxes.front().address == box.address);
  }
  if (list.oddities.none() && list.mailboxes.size() == 1) must(list.mailboxes.front().address.has_value());
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view value(reinterpret_cast<const char*>(data), size);
  check(value, Escapes::kJapanese);
  check(value, Escapes::kOctets);
  return 0;
}
