#include "cmd/signing_watch.h"

namespace sekisho::cmd {

namespace {
core::Task<void> compare_published(std::shared_ptr<const signing::KeyTable> table,
                                   std::shared_ptr<dns::Resolver> resolver) {
  for (const auto& key : table->keys()) {
    const auto name = signing::record_name(key.selector, key.domain);
    if (!name) continue;
    core::Budget budget;
    auto asking = signing::find_published(key.key, *name, *resolver, budget);
    const auto published = co_await asking;
    if (published.state != signing::Published::kMatches)
      log::write<log::Event::k_signing_key_unpublished>(log::name(name->text()), log::name(key.file),
                                                        log::name(signing::word(published.state)),
                                                        log::name(published.seen));
    else if (published.testing)
      log::write<log::Event::k_signing_key_testing>(log::name(name->text()), log::name(key.file));
  }
}
}  // namespace

void SigningWatch::look(const Settings& settings) {
  for (const auto& w : settings.warnings)
    log::write<log::Event::k_config_warned>(log::name(w.file), w.line, log::name(w.message));
  if (settings.signing && !settings.signing->keys().empty())
    io::spawn(compare_published(settings.signing, server_.roads->world().present.resolver));
}

core::Task<std::string> SigningWatch::start() {
  look(server_.settings);
  co_return std::string();
}

core::Task<void> SigningWatch::commit(const Settings& next) {
  look(next);
  co_return;
}

}  // namespace sekisho::cmd
