// A buffer that was filled at run time is no word of ours.
// refused: deleted function
#include "base/log/log.h"

using namespace sekisho;

void note(char (&line)[64]) {
#ifdef CONTROL
  log::write<log::Event::k_ready>(log::name(line), 2);
#else
  log::write<log::Event::k_ready>(line, 2);
#endif
}
