#include "cmd/mediator_service.h"

namespace sekisho::cmd {

core::Task<std::string> MediatorService::start() {
  const auto& wanted = server_.settings.mediator;
  if (!wanted.doors.any()) co_return std::string();
  auto started = mediator::Mediator::start(wanted.doors, wanted.limits, wanted.policy, server_.clock, *server_.meter);
  if (!started) co_return "mediator: " + started.error();
  mediator_ = std::move(*started);
  for (const auto& at : mediator_->addresses()) log::write<log::Event::k_listening>("mediator", log::name(at));
  co_return std::string();
}

// Its doors change with a restart only; one whose config is gone goes on as it was until then.
core::Task<void> MediatorService::commit(const Settings& next) {
  if (mediator_ && next.mediator.policy) mediator_->reload(next.mediator.policy, next.mediator.limits);
  co_return;
}

core::Task<bool> MediatorService::drain(std::int64_t deadline_ms) {
  if (!mediator_) co_return true;
  co_return co_await mediator_->drain(deadline_ms);
}

}  // namespace sekisho::cmd
