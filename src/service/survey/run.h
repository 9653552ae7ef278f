#pragma once
// A list of names asked many at a time, politely: in all, below one domain, and of the names that one authority serves.
#include <cstdint>

#include "base/core/task.h"
#include "service/survey/survey.h"

namespace sekisho::survey {

struct Pace {
  unsigned window = 200;    // names under way at most
  unsigned rate = 0;        // names begun per second; 0: as fast as answers come
  unsigned per_domain = 2;  // names under way below one registrable domain
  // Names under way that one authority serves; 0: not asked for. Through a recursive resolver one sees no server's
  // address, so an authority is the registrable domain of the first (in order of text) name server of the name's
  // registrable domain, which one more question tells; without such records, the zone above.
  unsigned per_authority = 20;
  unsigned tries = 2;  // of a name whose questions failed; the second when all others have been asked
};
class Watcher {
 public:
  virtual ~Watcher() = default;
  virtual bool stop() = 0;                                     // asked often
  virtual void done(std::size_t all, std::size_t window) = 0;  // a name is finished
};
enum class End : std::uint8_t { kDone, kStopped, kDisk };
// Asks all that `results` does not have yet. The window falls by half when more than a quarter of the names of a round
// timed out and grows by an eighth otherwise. psl may be null: then the last two labels part domains.
core::Task<End> run(const List& list, const Plan& plan, Pace pace, const dmarc::PublicSuffixList* psl,
                    dns::Resolver& resolver, Results& results, Watcher& watcher);

}  // namespace sekisho::survey
