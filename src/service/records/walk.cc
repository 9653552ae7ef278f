// An SPF record through its includes, as a check by a client that nobody lists would go: what it costs and where it
// breaks.
#include <algorithm>

#include "base/core/text.h"
#include "road/identity/spf/spf.h"
#include "service/records/rule.h"

namespace sekisho::records {
namespace {

constexpr unsigned kLookupsMax = 10, kLookupsNear = 8, kVoidMax = 2;
constexpr std::size_t kExchangesMax = 10;

struct Families {
  bool v4 = false, v6 = false;
};

bool is_fault(const dns::Answer& answer) { return dns::is_temporary(answer.code); }

void tell_fault(const dns::Answer& answer, const std::string& name, Complaints& out) {
  out.add(answer.code == dns::Code::kNotAllowed ? Id::k_dns_budget : Id::k_dns_temporary, name);
}

class Walk {
 public:
  Walk(Visit visit, Complaints& out) : visit_(visit), out_(out) {}

  // One term of a part: what it finds, whoever the client is.
  core::Task<void> weigh(const spf::Shown::Part& part, const spf::Shown::Term& term, SpfNode& node) {
    if (term.dead || term.lookups == 0 || term.domain_spec.find('%') != std::string::npos) co_return;
    const std::string target = term.domain_spec.empty() ? part.domain : term.domain_spec;
    Families found{true, true};
    if (term.kind == "a") {
      auto asking = addresses(target);
      found = co_await asking;
    } else if (term.kind == "mx") {
      auto asking = exchanges(target);
      found = co_await asking;
    } else if (term.kind == "exists") {
      auto asking = ask(visit_, target, dns::Type::kA);
      const dns::AnswerPtr answer = co_await asking;
      found.v4 = found.v6 = !answer->addresses.empty() || is_fault(*answer);
      if (is_fault(*answer)) tell_fault(*answer, target, out_);
    }
    node.void_v4 += !found.v4;
    node.void_v6 += !found.v6;
    if (!found.v4 && !found.v6) out_.add(Id::k_spf_void_term, part.domain + ": " + term.text);
  }

 private:
  core::Task<Families> addresses(std::string name) {
    auto first = ask(visit_, name, dns::Type::kA);
    const dns::AnswerPtr v4 = co_await first;
    auto second = ask(visit_, name, dns::Type::kAaaa);
    const dns::AnswerPtr v6 = co_await second;
    for (const auto& answer : {v4, v6})
      if (is_fault(*answer)) tell_fault(*answer, name, out_);
    co_return Families{!v4->addresses.empty() || is_fault(*v4), !v6->addresses.empty() || is_fault(*v6)};
  }

  core::Task<Families> exchanges(std::string name) {
    auto asking = ask(visit_, name, dns::Type::kMx);
    const dns::AnswerPtr answer = co_await asking;
    if (is_fault(*answer)) {
      tell_fault(*answer, name, out_);
      co_return Families{true, true};
    }
    if (answer->exchanges.size() > kExchangesMax)
      out_.add(Id::k_spf_mx_many, name + ": " + std::to_string(answer->exchanges.size()));
    Families found;
    std::size_t looked = 0;
    for (const auto& mx : answer->exchanges) {
      if (mx.exchange.is_root()) out_.add(Id::k_spf_mx_null);
      if (mx.exchange.is_root() || ++looked > kExchangesMax) continue;
      auto host = addresses(mx.exchange.text());
      const Families one = co_await host;
      found.v4 = found.v4 || one.v4;
      found.v6 = found.v6 || one.v6;
    }
    co_return found;
  }

  Visit visit_;
  Complaints& out_;
};

bool is_void(const spf::Shown::Part& part) {
  return part.code == dns::Code::kNoData || part.code == dns::Code::kNxDomain;
}

// What stops a check in a record that another one names.
void judge_included(const spf::Shown::Part& part, SpfNode& node, Complaints& out) {
  const std::string at = core::printable(part.by) + " (" + part.domain + ")";
  if (dns::is_temporary(part.code)) {
    node.fault = "temperror";
    out.add(part.code == dns::Code::kNotAllowed ? Id::k_dns_budget : Id::k_dns_temporary, part.domain);
  } else if (part.status == spf::Shown::Status::kNothing) {
    node.fault = "no SPF record";
    node.void_v4 += is_void(part), node.void_v6 += is_void(part);
    out.add(Id::k_spf_include_none, at);
  } else if (part.status == spf::Shown::Status::kSeveral) {
    node.fault = "several SPF records";
    out.add(Id::k_spf_include_broken, at + ": several records");
  } else if (part.status == spf::Shown::Status::kSyntax) {
    node.fault = "cannot be read: " + core::printable(part.offending, 60);
    out.add(Id::k_spf_include_broken, at + ": " + part.offending);
  }
  for (const auto& term : part.terms)
    if (term.kind == "all" && term.qualifier == '+' && !term.dead) out.add(Id::k_spf_pass_all, at + ": " + term.text);
}

void judge_cost(const SpfCost& cost, const spf::Shown& shown, Complaints& out) {
  if (cost.lookups > kLookupsMax)
    out.add(Id::k_spf_lookups, std::to_string(cost.lookups));
  else if (cost.lookups >= kLookupsNear)
    out.add(Id::k_spf_lookups_near, std::to_string(cost.lookups));
  if (cost.void_v4 > kVoidMax || cost.void_v6 > kVoidMax)
    out.add(Id::k_spf_void,
            std::to_string(cost.void_v4) + " for IPv4 clients, " + std::to_string(cost.void_v6) + " for IPv6 clients");
  if (shown.loops) out.add(Id::k_spf_loop, shown.parts.front().domain);
  if (shown.cut) out.add(Id::k_spf_cut);
}

void find_twins(const spf::Shown& shown, Complaints& out) {
  std::vector<std::string> seen;
  for (const auto& part : shown.parts) {
    if (std::find(seen.begin(), seen.end(), part.domain) != seen.end()) out.add(Id::k_spf_twice, part.domain);
    seen.push_back(part.domain);
  }
}

core::Task<void> look_at_explanation(Visit visit, const spf::Shown::Term& term, Complaints& out) {
  if (term.kind != "exp" || term.domain_spec.find('%') != std::string::npos) co_return;
  auto asking = ask(visit, term.domain_spec, dns::Type::kTxt);
  const dns::AnswerPtr answer = co_await asking;
  if (is_fault(*answer))
    tell_fault(*answer, term.domain_spec, out);
  else if (answer->texts.size() != 1)
    out.add_at(Id::k_spf_exp_missing, term.text, term.at);
}

}  // namespace

core::Task<void> walk_spf(Visit visit, Sheet& sheet, bool sender_id) {
  Complaints out(sheet.name, sheet.record);
  const bool pra = sender_id && spf::read_record(sheet.record, spf::Records::kMfromThenSpf1).record.empty();
  const auto records = !sender_id ? spf::Records::kSpf1 : pra ? spf::Records::kPra : spf::Records::kMfromThenSpf1;
  auto showing = spf::show(visit.orders.domain.text(), records, visit.resolver, visit.budget);
  const spf::Shown shown = co_await showing;
  SpfCost cost;
  cost.lookups = shown.lookups;
  cost.cut = shown.cut;
  Walk walk(visit, out);
  for (const auto& part : shown.parts) {
    SpfNode node{part.domain, core::printable(part.by), part.depth, 0, 0, 0, {}};
    if (part.depth > 0) judge_included(part, node, out);
    for (const auto& term : part.terms) {
      node.lookups += term.lookups;
      if (part.status == spf::Shown::Status::kRecord) {
        auto weighing = walk.weigh(part, term, node);
        co_await weighing;
      }
      if (part.depth == 0) {
        auto looking = look_at_explanation(visit, term, out);
        co_await looking;
      }
    }
    cost.void_v4 += node.void_v4, cost.void_v6 += node.void_v6;
    cost.tree.push_back(std::move(node));
  }
  judge_cost(cost, shown, out);
  find_twins(shown, out);
  sheet.cost = std::move(cost);
  for (auto& problem : out.done()) sheet.problems.push_back(std::move(problem));
}

}  // namespace sekisho::records
