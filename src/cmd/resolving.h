#pragma once
// Where the commands' answers come from: --zone FILE over --resolver HOST:PORT or the system's resolvers. Names asked
// are noted.
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/config/config.h"
#include "base/core/result.h"
#include "base/dns/dns.h"
#include "base/dns/stub.h"

namespace sekisho::cmd {

// Counts what was asked, each (name, type) once: a second look-up of the same is a cache hit.
class CountingResolver final : public dns::Resolver {
 public:
  explicit CountingResolver(dns::Resolver& below) : below_(below) {}
  dns::AnswerPtr ready(const dns::Name& name, dns::Type type) override;
  core::Task<dns::AnswerPtr> lookup(dns::Name name, dns::Type type, core::Budget& budget) override;
  std::uint64_t queries() const { return asked_.size(); }
  std::vector<std::string> names() const;  // each once, in the order first asked

 private:
  void note(const dns::Name& name, dns::Type type);
  dns::Resolver& below_;
  std::vector<std::pair<dns::Name, dns::Type>> asked_;
};

// options: what a config says of the DNS; --resolver goes before its servers. An error text says what was wrong with
// the file or the address.
core::Result<std::unique_ptr<dns::Resolver>, std::string> make_resolver(const std::string& zone_file,
                                                                        const std::string& resolver,
                                                                        dns::StubOptions options = {});
// As serve would ask: dns.servers and dns.zone_file of the config; a zone or a resolver given replaces them.
core::Result<std::unique_ptr<dns::Resolver>, std::string> make_resolver(const config::Values& values,
                                                                        const std::string& zone_file,
                                                                        const std::string& resolver);

}  // namespace sekisho::cmd
