#pragma once
// [mediator] of a config: the secrets are read, or it is said what is wrong.
#include <memory>
#include <vector>

#include "base/config/config.h"
#include "service/mediator/mediator.h"

namespace sekisho::cmd {

struct MediatorSettings {
  mediator::Doors doors;  // none: no mediator, and nothing else is looked at
  mediator::Limits limits;
  std::shared_ptr<const mediator::Policy> policy;  // null without doors
};
MediatorSettings read_mediator(const config::Values& values, std::vector<config::Problem>& problems,
                               std::vector<config::Problem>& warnings);

}  // namespace sekisho::cmd
