#include "cmd/resolving.h"

#include <algorithm>

#include "base/dns/zone.h"
#include "base/io/io.h"

namespace sekisho::cmd {

void CountingResolver::note(const dns::Name& name, dns::Type type) {
  const std::pair<dns::Name, dns::Type> key(name, type);
  if (std::find(asked_.begin(), asked_.end(), key) == asked_.end()) asked_.push_back(key);
}

dns::AnswerPtr CountingResolver::ready(const dns::Name& name, dns::Type type) {
  auto answer = below_.ready(name, type);
  if (answer) note(name, type);
  return answer;
}

core::Task<dns::AnswerPtr> CountingResolver::lookup(dns::Name name, dns::Type type, core::Budget& budget) {
  note(name, type);
  return below_.lookup(std::move(name), type, budget);
}

std::vector<std::string> CountingResolver::names() const {
  std::vector<std::string> out;
  for (const auto& [name, type] : asked_) {
    std::string text = name.text();
    if (std::find(out.begin(), out.end(), text) == out.end()) out.push_back(std::move(text));
  }
  return out;
}

core::Result<std::unique_ptr<dns::Resolver>, std::string> make_resolver(const std::string& zone_file,
                                                                        const std::string& resolver,
                                                                        dns::StubOptions options) {
  static core::SystemClock clock;
  static core::SystemRandom random;
  if (!resolver.empty()) {
    const auto server = io::Endpoint::parse(resolver);
    if (!server) return core::error("--resolver: '" + resolver + "' is not an address with a port, as in 127.0.0.1:53");
    options.servers = {*server};
  }
  std::unique_ptr<dns::Resolver> stub = dns::make_stub(std::move(options), clock, random);
  if (zone_file.empty()) return stub;
  auto zone = dns::Zone::read(zone_file);
  if (!zone) return core::error(zone_file + ": " + zone.error().text());
  return dns::make_overlay(*zone, std::move(stub));
}

core::Result<std::unique_ptr<dns::Resolver>, std::string> make_resolver(const config::Values& values,
                                                                        const std::string& zone_file,
                                                                        const std::string& resolver) {
  dns::StubOptions options;
  for (const auto& text : values.texts("dns.servers"))
    if (const auto server = io::Endpoint::parse(text)) options.servers.push_back(*server);
  options.timeout_ms = static_cast<std::uint32_t>(values.number("dns.timeout_ms"));
  return make_resolver(zone_file.empty() ? values.text("dns.zone_file") : zone_file, resolver, std::move(options));
}

}  // namespace sekisho::cmd
