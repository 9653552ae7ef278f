// A log line takes numbers, words of ours and short outside names; text of a mail has no way in.
// refused: string
#include "base/log/log.h"

using namespace sekisho;

void note(const std::string& subject) {
#ifdef CONTROL
  log::write<log::Event::k_ready>("enforce", subject.size());
#else
  log::write<log::Event::k_ready>(subject, 1);
#endif
}
