#pragma once
// DMARC's two ways of finding an organization, side by side: the tree walk of RFC 9989 and the public suffix list of
// RFC 7489. One counts (dmarc.method); where the other would say something else, people are told both.
#include <boost/json/fwd.hpp>
#include <vector>

#include "road/finding/finding.h"
#include "road/identity/dmarc/dmarc.h"

namespace sekisho::cmd {

struct BothWays {
  dmarc::Evaluation tree, psl;
  dmarc::Method method = dmarc::Method::kTree;  // the one that counts
  const dmarc::Evaluation& followed() const { return method == dmarc::Method::kTree ? tree : psl; }
  bool differ() const;  // in organization, policy domain, policy or result
};
// A question with no SPF and DKIM result tells what the owner published. psl must not be null.
core::Task<BothWays> look_both_ways(dmarc::Inputs inputs, dns::Resolver& resolver, dmarc::Method method,
                                    const dmarc::PublicSuffixList* psl, core::Budget& budget);
// Lines for people: what each says, and which counts and why.
std::vector<road::Text> explain(const BothWays& both);
boost::json::object to_json(const BothWays& both);

}  // namespace sekisho::cmd
