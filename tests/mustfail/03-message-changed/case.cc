// A Message is immutable: who shares it cannot change its fields.
// refused: const|discards qualifiers|no matching function
#include "mail/message/message.h"

std::size_t change(const std::shared_ptr<const sekisho::mail::Message>& message) {
#ifdef CONTROL
  return message->fields().size();
#else
  message->fields().clear();
  return 0;
#endif
}
