#include "road/identity/sender_id/sender_id.h"

namespace sekisho::sender_id {
namespace {

spf::Query spf_query(const Query& query) {
  spf::Query out;
  out.client_ip = query.client_ip;
  out.helo = query.helo;
  out.mail_from = query.mail_from;
  out.receiver = query.receiver;
  out.now_s = query.now_s;
  out.records = spf::Records::kMfromThenSpf1;
  return out;
}

spf::Evaluation unevaluated(std::string_view why) {
  spf::Evaluation out;
  out.identity = spf::Identity::kPra;
  out.result = road::AuthResult::kPermError;
  out.reason = why;
  return out;
}

void note(Evaluation& out) {
  std::string_view code;
  switch (out.pra.result) {
    case road::AuthResult::kFail:
      code = "sender_id_fail";
      break;
    case road::AuthResult::kSoftFail:
      code = "sender_id_softfail";
      break;
    case road::AuthResult::kTempError:
      code = "sender_id_temperror";
      break;
    case road::AuthResult::kPermError:
      code = out.purported.address ? "sender_id_permerror" : "pra_undetermined";
      break;
    default:
      return;
  }
  out.findings.push_back({"sender_id", code, out.pra.result, out.pra.reason.text()});
}

}  // namespace

core::Task<spf::Evaluation> evaluate_mfrom(const Query& query, dns::Resolver& resolver, core::Budget& budget,
                                           const Settings& settings) {
  const spf::Query asked = spf_query(query);
  auto out = co_await spf::evaluate(asked, resolver, budget, settings.limits);
  out.findings.clear();  // they speak of SPF
  co_return out;
}

core::Task<spf::Evaluation> evaluate_pra(const Query& query, std::string_view address, dns::Resolver& resolver,
                                         core::Budget& budget, const Settings& settings) {
  if (address.empty()) co_return unevaluated("no responsible address");  // the null path is no letterhead
  spf::Query asked = spf_query(query);
  asked.mail_from = address;
  asked.identity = spf::Identity::kPra;
  asked.records = settings.pra_uses_spf1 ? spf::Records::kPraThenSpf1 : spf::Records::kPra;
  auto out = co_await spf::evaluate(asked, resolver, budget, settings.limits);
  out.findings.clear();
  co_return out;
}

core::Task<Evaluation> evaluate(const Query& query, const mail::Message& message, dns::Resolver& resolver,
                                core::Budget& budget, const Settings& settings) {
  Evaluation out;
  out.purported = purported_responsible_address(message, budget);
  core::Budget own = budget;  // a costly record of one identity must not silence the other
  out.mfrom = co_await evaluate_mfrom(query, resolver, own, settings);
  if (out.purported.address) {
    const std::string address = out.purported.address->text();
    out.pra = co_await evaluate_pra(query, address, resolver, budget, settings);
  } else {
    out.pra = unevaluated(out.purported.reason);
  }
  note(out);
  co_return out;
}

}  // namespace sekisho::sender_id
