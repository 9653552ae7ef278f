#pragma once
// One message judged without a gate: what check prints and replay counts. It uses the road's own functions, so it says
// what the gate would.
#include <boost/json/fwd.hpp>
#include <memory>
#include <string>
#include <vector>

#include "cmd/methods.h"
#include "cmd/resolving.h"
#include "road/inbound/inbound.h"

namespace sekisho::cmd {

struct Judged {
  inbound::Case mail;
  std::shared_ptr<const mail::Message> message;  // null when the octets are no message the gate would take
  road::Findings findings;                       // all
  verdict::Verdict verdict;
  action::Headers headers;
  std::uint64_t queries = 0;
  std::vector<std::string> names;
  double cpu_ms = 0;
};

class Judge {
 public:
  struct Question {
    core::IpAddress ip;
    std::string helo, mail_from;
    std::vector<std::string> rcpt_to;
    std::string octets;  // as in a file: LF or CRLF
    std::int64_t now_s = 0;
  };
  // The resolver is used for this one judge; its cache is kept over many questions.
  Judge(std::shared_ptr<const inbound::Config> config, std::unique_ptr<dns::Resolver> resolver);
  Judge(std::shared_ptr<const inbound::Config> config, dns::Resolver& resolver);  // of the caller, who keeps it
  Judged run(Question question);                                                  // on a loop of its own
  core::Task<Judged> judge(Question question);                                    // on the caller's loop
  // What DMARC says by either method; on a loop of its own. Its look-ups are not those of the mail.
  BothWays both_ways(const Judged& judged);

 private:
  std::shared_ptr<const inbound::Config> config_;
  std::unique_ptr<dns::Resolver> owned_;
  dns::Resolver& resolver_;
};

boost::json::object to_json(const Judged& judged);

}  // namespace sekisho::cmd
