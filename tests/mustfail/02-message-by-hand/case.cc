// A Message is made by its parser and by nothing else.
// refused: private
#include "mail/message/message.h"

bool make() {
#ifdef CONTROL
  sekisho::core::Budget budget;
  return sekisho::mail::Message::parse("Subject: x\r\n\r\n", budget).ok();
#else
  return sekisho::mail::Message().size() > 0;
#endif
}
