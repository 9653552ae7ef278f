#include <algorithm>
#include <array>

#include "base/core/text.h"
#include "road/identity/guard/guard.h"

namespace sekisho::guard {
namespace {

using road::AuthResult;

constexpr std::size_t kMaxShown = 32;  // domains and names of one From that are compared

road::Finding finding(std::string_view code, AuthResult result, std::string_view evidence) {
  return {"guard", code, result, core::printable(evidence, 160)};
}

// Every domain a reader may take for the author's.
std::vector<mail::Domain> shown_domains(const author::Author& author) {
  if (author.author_domain) return {*author.author_domain};
  std::vector<mail::Domain> out;
  const auto add = [&out](const mail::Domain& domain) {
    if (std::find(out.begin(), out.end(), domain) == out.end()) out.push_back(domain);
  };
  for (const auto& address : author.addresses) add(address.domain());
  for (const auto& domain : author.other_domains) add(domain);
  return out;
}

struct Proof {
  AuthResult result = AuthResult::kFail;
  Evidence rests_on = Evidence::kNothing;
  std::string identity;
};

class Prover {
 public:
  explicit Prover(const Inputs& inputs) : inputs_(inputs) {}

  Proof prove(const mail::Domain& domain, const Protected& row) const {
    // The owner's own record says which identities count (adkim=, aspf=): one that asks for less or more than we would
    // is believed.
    const bool owner_says = inputs_.dmarc.record && inputs_.dmarc.author_domain == domain && single();
    bool open = single() && inputs_.dmarc.result == AuthResult::kTempError;
    for (const auto& identity : inputs_.identities) {
      if (!identity.domain || !aligned(*identity.domain, domain, row)) continue;
      if (identity.result == AuthResult::kPass && (!owner_says || owner_takes(identity.kind)))
        return {AuthResult::kPass, identity.kind, identity.domain->text()};
      open = open || identity.result == AuthResult::kTempError;
    }
    if (row.trust_arc && single() && !inputs_.vouched_by.empty())
      return {AuthResult::kPass, Evidence::kArc, inputs_.vouched_by};
    if (open) return {AuthResult::kTempError, Evidence::kNothing, ""};
    return {};
  }

 private:
  bool single() const { return inputs_.author.author_domain.has_value(); }
  bool owner_takes(Evidence kind) const {
    return kind == Evidence::kAddress ? inputs_.dmarc.spf_aligned : inputs_.dmarc.dkim_aligned;
  }
  // RFC 9989 section 4.4, with the operator's row in place of the tree walk.
  bool aligned(const mail::Domain& identity, const mail::Domain& domain, const Protected& row) const {
    if (identity == domain) return true;
    if (row.strict) return false;
    if (row.subdomains && identity.is_at_or_below(row.name)) return true;
    if (!inputs_.psl) return false;
    const auto ours = inputs_.psl->organizational_domain(domain), theirs = inputs_.psl->organizational_domain(identity);
    return ours && ours == theirs;
  }

  const Inputs& inputs_;
};

unsigned weight(AuthResult result) {
  return result == AuthResult::kFail ? 3 : result == AuthResult::kTempError ? 2 : result == AuthResult::kPass ? 1 : 0;
}

// The row that decided; null when no protected domain is shown.
const Protected* check_protected(const Inputs& inputs, const List& list, const std::vector<mail::Domain>& shown,
                                 Evaluation& out) {
  const Prover prover(inputs);
  const Protected* worst = nullptr;
  for (const auto& domain : shown) {
    const Protected* row = list.covering(domain);
    if (!row) continue;
    const Proof proof = prover.prove(domain, *row);
    const bool heavier = worst && weight(proof.result) == weight(out.result) && row->demand < worst->demand;
    if (weight(proof.result) <= weight(out.result) && !heavier) continue;
    worst = row;
    out.result = proof.result;
    out.rests_on = proof.rests_on;
    out.identity = proof.identity;
    out.domain = domain.text();
    out.why = row->why;
  }
  if (!worst) return nullptr;
  if (out.result == AuthResult::kPass) {
    const std::string evidence = out.domain + " by " + std::string(word(out.rests_on)) + " " + out.identity;
    out.findings.push_back(finding("protected_proven", out.result, evidence));
    return worst;
  }
  if (const Forwarder* forwarder = forwarder_of(inputs, list)) {
    out.rests_on = Evidence::kForwarder;
    out.identity = forwarder->name;
    out.why = forwarder->why;
    out.result = AuthResult::kPass;
    out.findings.push_back(finding("protected_forwarded", out.result, out.identity + ", " + out.why));
    return worst;
  }
  const std::string_view code = out.result == AuthResult::kTempError ? "protected_temperror"
                                : worst->demand == Demand::kReject   ? "protected_unproven"
                                                                     : "protected_doubtful";
  out.findings.push_back(finding(code, out.result, out.domain));
  return worst;
}

// proven: the author's row, or null. What a name shows of a domain of that row is no lie.
void check_looks(const Inputs& inputs, const List& list, const std::vector<mail::Domain>& shown,
                 const Protected* proven, Evaluation& out) {
  for (std::size_t i = 0; i < std::min(shown.size(), kMaxShown); ++i) {
    const Protected* row = list.imitated(shown[i]);
    if (!row) continue;
    out.findings.push_back(
        finding("protected_lookalike", AuthResult::kNone, shown[i].text() + " = " + row->name.text()));
    break;
  }
  const auto& names = inputs.author.names;
  for (std::size_t i = 0; i < std::min(names.size(), kMaxShown); ++i) {
    std::string seen;
    const Protected* row = list.shown_in(names[i], seen);
    if (!row || row == proven) continue;
    out.findings.push_back(finding("display_name_protected", AuthResult::kNone, seen));
    break;
  }
}

}  // namespace

std::string_view word(Evidence evidence) {
  static constexpr std::array<std::string_view, 5> kWords{"", "address", "signature", "arc", "forwarder"};
  return kWords[static_cast<std::size_t>(evidence)];
}

const Forwarder* forwarder_of(const Inputs& inputs, const List& list) {
  const auto is = [&](const Forwarder& forwarder) {
    if (forwarder.network && forwarder.network->contains(inputs.client_ip)) return true;
    return forwarder.domain &&
           std::any_of(inputs.identities.begin(), inputs.identities.end(), [&](const Identity& identity) {
             return identity.result == AuthResult::kPass && identity.domain &&
                    identity.domain->is_at_or_below(*forwarder.domain);
           });
  };
  const auto found = std::find_if(list.forwarders().begin(), list.forwarders().end(), is);
  return found == list.forwarders().end() ? nullptr : &*found;
}

Evaluation evaluate(const Inputs& inputs, const List& list) {
  Evaluation out;
  const auto shown = shown_domains(inputs.author);
  const Protected* row = check_protected(inputs, list, shown, out);
  check_looks(inputs, list, shown, out.result == AuthResult::kPass ? row : nullptr, out);
  return out;
}

}  // namespace sekisho::guard
