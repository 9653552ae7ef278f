#pragma once
// For tests: answers TXT (and whether a name exists) from a map; a name that is not there is NXDOMAIN.
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/dns/dns.h"

namespace sekisho::dmarc {

class MapResolver final : public dns::Resolver {
 public:
  using Zone = std::map<std::string, std::vector<std::string>>;
  explicit MapResolver(Zone zone = {}) : zone_(std::move(zone)) {}

  std::set<std::string> timeouts;
  std::vector<std::string> asked;

  dns::AnswerPtr ready(const dns::Name&, dns::Type) override { return nullptr; }
  core::Task<dns::AnswerPtr> lookup(dns::Name name, dns::Type type, core::Budget& budget) override {
    auto answer = std::make_shared<dns::Answer>();
    answer->canonical = name;
    asked.push_back(name.text());
    if (!budget.take_query()) {
      answer->code = dns::Code::kNotAllowed;
    } else if (timeouts.count(name.text())) {
      answer->code = dns::Code::kTimeout;
    } else if (const auto at = zone_.find(name.text()); at == zone_.end()) {
      answer->code = exists_below(name) ? dns::Code::kNoData : dns::Code::kNxDomain;
    } else if (type == dns::Type::kTxt && !at->second.empty()) {
      answer->code = dns::Code::kRecords;
      answer->texts = at->second;
    }
    co_return answer;
  }

 private:
  bool exists_below(const dns::Name& name) const {
    for (const auto& [other, texts] : zone_)
      if (dns::Name::parse(other)->is_at_or_below(name)) return true;
    return false;
  }
  Zone zone_;
};

}  // namespace sekisho::dmarc
