#include "mail/transaction/transaction.h"

#include <algorithm>
#include <cassert>

namespace sekisho::mail {
namespace {
bool same_mailbox(const smtp::Path& a, const smtp::Path& b) {
  if (a.kind != b.kind) return false;
  return a.kind == smtp::Path::Kind::kMailbox ? a.address == b.address : a.text == b.text;
}
}  // namespace

bool Transaction::add_rcpt(smtp::Path path, smtp::RcptParameters parameters) {
  const bool known =
      std::any_of(rcpt_to_.begin(), rcpt_to_.end(), [&](const auto& have) { return same_mailbox(have, path); });
  if (known) return false;
  rcpt_to_.push_back(std::move(path));
  rcpt_parameters_.push_back(std::move(parameters));
  return true;
}

void Transaction::set_message(std::shared_ptr<const Message> message) {
  assert(!message_);
  message_ = std::move(message);
}

}  // namespace sekisho::mail
