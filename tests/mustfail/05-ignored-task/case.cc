// A Task is lazy: one that is not awaited never runs.
// refused: nodiscard
#include "base/core/task.h"

sekisho::core::Task<void> record();

sekisho::core::Task<void> finish() {
#ifdef CONTROL
  co_await record();
#else
  record();
#endif
  co_return;
}
