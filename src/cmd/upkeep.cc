// What a server does every hour and every minute.
#include <cstring>

#include "base/core/memory.h"
#include "base/store/file_ops.h"
#include "cmd/server.h"

namespace sekisho::cmd {

namespace {
std::string temporary_file(const Server& s) { return s.settings.state_dir + "/temperrors"; }
}  // namespace

std::uint64_t memory_for_messages(std::uint64_t wanted) {
  const std::uint64_t machine = core::memory_allowed_bytes();
  if (machine == 0 || wanted <= machine / 2) return wanted;
  log::write<log::Event::k_memory_capped>(wanted, machine, machine / 2);
  return machine / 2;
}

void read_temporary(Server& s) {
  // Without the file senders only wait anew.
  if (const auto faults = store::read_file(temporary_file(s), 16 << 20)) s.temporary.read(*faults, s.clock.now_s());
}

void save_temporary(Server& s) {
  if (s.temporary.changes() == 0) return;
  const std::string file = temporary_file(s);
  const auto saved = store::replace_file(store::FileOps::system(), file, s.temporary.text(s.clock.now_s()), 0600, true);
  if (!saved) log::write<log::Event::k_store_report>(log::name(file), log::name(std::strerror(saved.error())));
}

core::Task<void> keep_temporary(Server& s) {
  for (std::uint64_t saved = s.temporary.changes();;) {
    const auto slept = co_await io::sleep_until(io::now_ms() + 60'000);
    if (!slept) co_return;
    if (s.temporary.changes() == saved) continue;
    saved = s.temporary.changes();
    std::function<void()> save = [&s] { save_temporary(s); };
    co_await s.pool->run(std::move(save));
  }
}

core::Task<void> keep_retention(Server& s) {
  for (;;) {
    const auto rotated = s.receipts->rotate(s.clock.now_s());
    if (!rotated) log::write<log::Event::k_receipt_keys_kept>("the key file cannot be written");
    std::function<void()> retain = [&s, days = s.settings.retention_days] {
      if (const auto doubted = s.trail->ledger().doubted_days(); doubted > 0)
        log::write<log::Event::k_clock_doubted>(doubted);
      const auto today = static_cast<std::int32_t>(s.clock.now_s() / 86400);
      const auto gone = s.trail->retain(today - static_cast<std::int32_t>(days));
      if (!gone) log::write<log::Event::k_retention_failed>(log::name(gone.error().text()));
    };
    co_await s.pool->run(std::move(retain));
    auto slept = co_await io::sleep_until(io::now_ms() + 3'600'000);
    if (!slept) co_return;
  }
}

}  // namespace sekisho::cmd
