// The body is sealed: it can be hashed, counted and copied to the next hop, not read.
// refused: private
#include "mail/message/message.h"

std::size_t look(const sekisho::mail::Message& message) {
#ifdef CONTROL
  return message.body().size();
#else
  return message.body().octets_.find("password");
#endif
}
