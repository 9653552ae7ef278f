// Errors are values, and a value that says "it failed" is not dropped.
// refused: nodiscard
#include "base/core/result.h"

sekisho::core::Result<void, int> write_down();

void record() {
#ifdef CONTROL
  if (!write_down()) return;
#else
  write_down();
#endif
}
