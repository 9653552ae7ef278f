#pragma once
// One pass over the answers at hand (RFC 7208 section 4, check_host). When one is missing the pass is given up and its
// question noted; the pass is then made again from the start with that answer pinned. So the whole check is plain
// synchronous code and the only coroutine is the one that waits for the DNS.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "road/identity/spf/macro.h"
#include "road/identity/spf/record.h"
#include "road/identity/spf/spf.h"

namespace sekisho::spf {

struct Question {
  dns::Name name;
  dns::Type type;
};
struct Pinned {
  Question question;
  dns::AnswerPtr answer;
};

class Check {
 public:
  // With `missing` null the pass stops at the first missing answer without noting it.
  Check(const Query& query, dns::Resolver& resolver, core::Budget& budget, const Settings& settings,
        const std::vector<Pinned>* pinned, std::vector<Question>* missing)
      : query_(query), resolver_(resolver), budget_(budget), settings_(settings), pinned_(pinned), missing_(missing) {}
  std::optional<Evaluation> run();
  // For the one who waits: ends the check from outside.
  Evaluation stop(road::AuthResult result, std::string_view reason);

 private:
  using Result = road::AuthResult;
  enum class Got : unsigned char { kRecords, kNothing, kNoName, kTempError, kTooMany, kMissing, kBadName };
  enum class Step : unsigned char { kMatch, kNoMatch, kTempError, kPermError, kMissing };
  enum class Width : unsigned char { kNarrow, kWide, kAll };

  bool identify();
  std::string_view no_record() const;
  Got ask(std::string_view name, dns::Type type, dns::AnswerPtr& answer);
  Got ask(const dns::Name& name, dns::Type type, dns::AnswerPtr& answer);

  std::optional<Result> check_host(std::string_view domain);
  std::optional<Result> run_terms(std::string_view terms, std::string_view domain);
  std::optional<Result> redirect(std::string_view spec, std::string_view domain);
  void matched(const Term& term, std::string_view domain);
  Step match(const Term& term, std::string_view domain);
  Step match_network(const Term& term);
  Step match_addresses(const Term& term, std::string_view target);
  Step match_exchanges(const Term& term, std::string_view target);
  Step match_pointers(std::string_view target);
  Step match_exists(std::string_view target);
  Step match_include(std::string_view target);
  Step failed(Got got, std::string_view target);                 // what anything but records means for a, mx and exists
  bool explain(std::string_view spec, std::string_view domain);  // false: an answer is missing
  Step target(std::string_view spec, std::string_view domain, TargetName& room,
              std::string_view& name);  // kMatch: name is set
  Step validated_name(std::string_view domain, std::string& name);
  Got pointers(dns::AnswerPtr& answer);
  bool holds_client(const dns::Answer& answer, const Term& term) const;
  dns::Type address_type() const { return query_.client_ip.is_v4() ? dns::Type::kA : dns::Type::kAaaa; }
  bool count_lookup();
  Step count_void();
  Values values(std::string_view domain);
  Step permerror(std::string_view why, std::string_view what = {});
  Step temperror(std::string_view what);
  Evaluation finish(Result result);

  const Query& query_;
  dns::Resolver& resolver_;
  core::Budget& budget_;
  const Settings& settings_;
  const std::vector<Pinned>* pinned_;
  std::vector<Question>* missing_;

  Evaluation out_;
  std::string_view local_, domain_;    // of the identity, as written
  std::string ascii_domain_, sender_;  // made only where the client's words do not serve
  unsigned includes_ = 0;              // how deep
  bool pointers_counted_ = false;      // the PTR query of %{p} counts once (section 4.6.4)
  Width width_ = Width::kNarrow;
};

}  // namespace sekisho::spf
