// A log line has one value for each field of its row in log.def.
// refused: one value per field
#include "base/log/log.h"

using namespace sekisho;

void note() {
#ifdef CONTROL
  log::write<log::Event::k_ready>("enforce", 2);
#else
  log::write<log::Event::k_ready>("enforce");
#endif
}
