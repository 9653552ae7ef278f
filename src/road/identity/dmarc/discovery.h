#pragma once
// Private to the room: looking records up, the tree walk, and the organizational domain that follows from it.
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "road/identity/dmarc/dmarc.h"

namespace sekisho::dmarc {

enum class Found : std::uint8_t { kRecord, kNothing, kSeveral, kTemporary, kTooComplex };
constexpr bool is_fault(Found found) { return found >= Found::kTemporary; }
// code: one that is_temporary.
constexpr Found fault_of(dns::Code code) {
  return code == dns::Code::kNotAllowed ? Found::kTooComplex : Found::kTemporary;
}
inline constexpr std::size_t kTextsMax = 100;  // TXT records looked at per name

struct Lookup {
  Found found = Found::kNothing;
  std::string text;  // of the one record
  Record record;
  bool name_seen = false;  // the answer proves that the domain exists
};

struct Walk {
  struct Stop {
    mail::Domain domain;
    const Lookup* lookup;
  };
  Found fault = Found::kNothing;  // kTemporary or kTooComplex: the walk broke off
  std::vector<Stop> stops;        // every name asked, longest first; where records are they stay valid with Discovery
};

// Lives for one evaluation; each name is asked once. Its Tasks refer to it: it must outlive them.
class Discovery {
 public:
  Discovery(dns::Resolver& resolver, const Options& options, core::Budget& budget)
      : resolver_(resolver), options_(options), budget_(budget) {}

  core::Task<const Lookup*> record_at(mail::Domain domain);
  core::Task<Walk> walk(mail::Domain start);
  core::Task<std::optional<bool>> exists(mail::Domain domain);  // nothing: the DNS did not say
  struct Leave {
    Found found = Found::kNothing;  // kRecord: it takes the reports
    std::vector<std::string> instead;
  };
  core::Task<Leave> permits(dns::Name permission_name, mail::Domain destination, bool failure);

  const Options& options() const { return options_; }
  core::Budget& budget() { return budget_; }
  unsigned queries() const { return queries_; }

 private:
  core::Task<dns::AnswerPtr> ask(dns::Name name, dns::Type type);

  dns::Resolver& resolver_;
  const Options& options_;
  core::Budget& budget_;
  std::map<mail::Domain, Lookup> seen_;  // nodes do not move
  unsigned queries_ = 0;
};

// Who may get reports: e.destinations and e.rua. e.record and e.policy_domain are there.
core::Task<void> choose_destinations(Discovery& discovery, Evaluation& e);

// RFC 9989 section 4.10.2. Without any record: the name the walk started at.
mail::Domain organizational_domain(const Walk& walk, const mail::Domain& start);

}  // namespace sekisho::dmarc
