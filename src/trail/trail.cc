#include "trail/trail.h"

#include <algorithm>

#include "base/core/text.h"
#include "base/io/io.h"
#include "trail/find.h"
#include "trail/projector.h"

namespace sekisho::trail {

namespace {
constexpr std::int64_t kWaitForIndexMs = 5000;

std::string text_of(const store::Problem& problem) {
  return std::string(store::word(problem.kind)) + ": " + problem.file + " at offset " + std::to_string(problem.offset) +
         ": " + problem.text;
}

bool hides_records(const store::Problem& problem) {
  return problem.kind == store::ProblemKind::kDamaged || problem.kind == store::ProblemKind::kUnreadable ||
         problem.kind == store::ProblemKind::kShortOfHead;
}
}  // namespace

struct Trail::Impl {
  explicit Impl(TrailSettings given)
      : settings(std::move(given)), projector({settings.checkpoint_records, settings.checkpoint_ms}) {}

  std::int64_t now_us() const {
    return settings.ledger.clock ? settings.ledger.clock->now_us() : core::SystemClock().now_us();
  }
  Finder finder() const { return {*ledger, *ledger, projector, seq_at_open, now_us()}; }

  void hash(std::vector<Recipient>& recipients, std::int64_t time_us) {
    for (auto& recipient : recipients) {
      if (recipient.address.empty()) continue;
      if (const auto hashed = ledger->recipient_hash(time_us, recipient.address, true)) recipient.hash = *hashed;
      if (recipient.domain.empty())
        recipient.domain = core::to_lower(recipient.address.substr(recipient.address.rfind('@') + 1));
      if (!settings.plain_recipients) recipient.address.clear();
    }
  }
  store::Record prepare(Event event) {
    const std::int64_t time_us = now_us();
    std::visit(
        [&](auto& value) {
          if constexpr (requires { value.recipients; }) hash(value.recipients, time_us);
        },
        event);
    return {type_of(event), time_us, encode(event)};
  }

  // Records that no query can find any more, so that "not found" is not taken for "never was".
  void tell_gaps(std::vector<std::string>& out) const {
    for (const auto& list : {ledger->open_problems(), projector.problems()}) {
      for (const auto& problem : list) {
        std::string text = text_of(problem);
        if (hides_records(problem) && std::find(out.begin(), out.end(), text) == out.end())
          out.push_back(std::move(text));
      }
    }
  }

  TrailSettings settings;
  Projector projector;
  std::unique_ptr<store::Ledger> ledger;
  std::uint64_t seq_at_open = 0;
  std::vector<std::string> reports;
};

core::Result<std::unique_ptr<Trail>, store::StoreError> Trail::open(TrailSettings settings) {
  auto impl = std::make_unique<Impl>(std::move(settings));
  store::LedgerSettings ledger_settings = impl->settings.ledger;
  ledger_settings.on_commit = [projector = &impl->projector](std::vector<store::Stored> records) {
    projector->take(std::move(records));
  };
  auto ledger = store::Ledger::open(std::move(ledger_settings));
  if (!ledger) return core::error(ledger.error());
  impl->ledger = std::move(*ledger);
  impl->seq_at_open = impl->ledger->last_seq();
  for (const auto& problem : impl->ledger->open_problems()) impl->reports.push_back(text_of(problem));
  const std::size_t before = impl->reports.size();
  if (auto started = impl->projector.start(*impl->ledger, impl->settings.index_folder, impl->reports); !started)
    return core::error(started.error());
  const std::string why = impl->reports.size() > before ? impl->reports.back() : "";
  std::unique_ptr<Trail> trail(new Trail(std::move(impl)));
  if (!why.empty()) trail->record_lazy(IndexRebuilt{why});
  return trail;
}

Trail::Trail(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Trail::~Trail() {
  if (!impl_) return;
  impl_->ledger->flush();
  impl_->projector.stop();  // it reads the ledger until it has ended
}

core::Task<core::Result<store::Position, store::StoreError>> Trail::record(Event event) {
  store::Record prepared = impl_->prepare(std::move(event));
  auto appended = co_await impl_->ledger->append(std::move(prepared));
  co_return appended;
}

void Trail::record_lazy(Event event) { impl_->ledger->append_lazy(impl_->prepare(std::move(event))); }

core::Result<store::Position, store::StoreError> Trail::record_now(const Event& event) {
  return impl_->ledger->append_now(impl_->prepare(event));
}

core::Result<Found, TrailError> Trail::find_now(const Query& query, const std::string& reason,
                                                const std::string& by_whom) {
  if (impl_->settings.reason_required && core::trim_fws(reason).empty() && needs_reason(query))
    return core::error(TrailError::kReasonRequired);
  impl_->ledger->flush();  // what was recorded before the question is part of the answer
  const bool complete = impl_->projector.wait_for(impl_->ledger->last_seq(), kWaitForIndexMs);
  auto found = impl_->finder().find(query);
  if (found) {
    found->complete = complete;
    impl_->tell_gaps(found->problems);
  }
  std::string recipient;
  if (query.rcpt_to) {
    const auto hash = impl_->ledger->recipient_hash(impl_->now_us(), *query.rcpt_to, true);
    recipient = impl_->settings.plain_recipients || !hash ? *query.rcpt_to : core::hex({hash->data(), hash->size()});
  }
  record_lazy(QueryAsked{query_text(query, recipient), reason, by_whom, found ? found->stories.size() : 0});
  return found;
}

core::Task<core::Result<Found, TrailError>> Trail::find(Query query, std::string reason, std::string by_whom) {
  core::Result<Found, TrailError> found = core::error(TrailError::kIndex);
  std::function<void()> work = [&] { found = find_now(query, reason, by_whom); };
  if (impl_->settings.pool)
    co_await impl_->settings.pool->run(std::move(work));
  else
    work();
  co_return found;
}

core::Result<std::vector<std::string>, store::StoreError> Trail::retain(std::int32_t first_kept_day) {
  auto gone = impl_->ledger->retain(first_kept_day);
  if (gone) impl_->projector.expire_below(impl_->ledger->first_seq());
  return gone;
}

store::Ledger& Trail::ledger() { return *impl_->ledger; }
std::uint64_t Trail::indexed_seq() const { return impl_->projector.applied_seq(); }
const std::vector<std::string>& Trail::reports() const { return impl_->reports; }

}  // namespace sekisho::trail
