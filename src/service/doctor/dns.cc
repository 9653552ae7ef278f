#include <algorithm>
#include <ctime>

#include "base/core/text.h"
#include "road/identity/iprev/iprev.h"
#include "service/doctor/checks.h"

namespace sekisho::doctor {
namespace {
constexpr int kLookups = 5;

std::string_view word(dns::Code code) {
  switch (code) {
    case dns::Code::kRecords:
      return "answered";
    case dns::Code::kNoData:
      return "no such record";
    case dns::Code::kNxDomain:
      return "no such name";
    case dns::Code::kServFail:
      return "SERVFAIL";
    case dns::Code::kTimeout:
      return "no answer in time";
    case dns::Code::kMalformed:
      return "malformed answer";
    case dns::Code::kNotAllowed:
      return "not asked";
  }
  return "";
}

core::Task<dns::AnswerPtr> ask(dns::Resolver& resolver, std::string name, dns::Type type) {
  core::Budget budget;
  auto wire = dns::Name::parse(name);
  if (!wire) {
    auto none = std::make_shared<dns::Answer>();
    none->code = dns::Code::kNxDomain;
    co_return none;
  }
  co_return co_await resolver.lookup(std::move(*wire), type, budget);
}

// Names nobody has, so that no cache shortens the way: that they do not exist is an answer too.
core::Task<void> time_server(Visit visit, io::Endpoint server, dns::Resolver& resolver) {
  std::vector<std::int64_t> times_us;
  dns::Code worst = dns::Code::kRecords;
  for (int i = 0; i < kLookups; ++i) {
    const std::string name = "doctor-" + std::to_string(visit.tools.random.u64()) + "." + visit.patient.host;
    const std::int64_t began_us = visit.tools.clock.now_us();
    const auto answer = co_await ask(resolver, name, dns::Type::kA);
    times_us.push_back(visit.tools.clock.now_us() - began_us);
    if (dns::is_temporary(answer->code)) worst = std::max(worst, answer->code);
    if (answer->code == dns::Code::kTimeout) break;
  }
  if (worst != dns::Code::kRecords) {
    const Grade grade = worst == dns::Code::kServFail ? Grade::kWarning : Grade::kFailure;
    visit.sheet.add(Id::k_resolver_answers, grade, server.text(), std::string(word(worst)));
    co_return;
  }
  std::sort(times_us.begin(), times_us.end());
  const std::string evidence = std::to_string(kLookups) + " look-ups, median " + ms_text(times_us[kLookups / 2]) +
                               ", longest " + ms_text(times_us.back());
  visit.sheet.add(Id::k_resolver_answers, times_us[kLookups / 2] > 500'000 ? Grade::kWarning : Grade::kOk,
                  server.text(), evidence);
}

core::Task<void> validation(Visit visit) {
  const std::string& name = visit.orders.dnssec_name;
  if (name.empty()) {
    visit.sheet.add(Id::k_resolver_validates, Grade::kSkipped, "", "no signed name was given (--dnssec-name)");
    co_return;
  }
  const auto answer = co_await ask(visit.tools.resolver, name, dns::Type::kA);
  const Grade grade = answer->authenticated ? Grade::kOk : Grade::kWarning;
  visit.sheet.add(Id::k_resolver_validates, grade, name,
                  answer->authenticated ? "AD bit, over loopback"
                                        : std::string(word(answer->code)) + ", no AD bit that may be trusted");
}

core::Task<std::vector<core::IpAddress>> addresses(dns::Resolver& resolver, std::string name) {
  std::vector<core::IpAddress> out;
  for (const auto type : {dns::Type::kA, dns::Type::kAaaa}) {
    const auto answer = co_await ask(resolver, name, type);
    out.insert(out.end(), answer->addresses.begin(), answer->addresses.end());
  }
  co_return out;
}

core::Task<void> own_name(Visit visit) {
  const std::string& host = visit.patient.host;
  const auto found = co_await addresses(visit.tools.resolver, host);
  std::string list;
  for (const auto& ip : found) list += (list.empty() ? "" : ", ") + ip.text();
  auto& finding = visit.sheet.add(Id::k_host_address, found.empty() ? Grade::kFailure : Grade::kOk, host,
                                  found.empty() ? "no A and no AAAA record" : list);
  if (found.empty()) finding.records.push_back(host + ". IN A <address of this host>");
  for (const auto& ip : found) {
    const std::string reverse = iprev::reverse_name(ip).text();
    const auto answer = co_await ask(visit.tools.resolver, reverse, dns::Type::kPtr);
    std::string names;
    bool good = false;
    for (const auto& name : answer->names) {
      names += (names.empty() ? "" : ", ") + name.text();
      good = good || core::iequals(name.text(), host);
    }
    auto& back = visit.sheet.add(Id::k_host_reverse, good ? Grade::kOk : Grade::kWarning, ip.text(),
                                 names.empty() ? std::string(word(answer->code)) : names);
    if (!good) back.records.push_back(reverse + ". IN PTR " + host + ".");
  }
}

core::Task<void> exchanges(Visit visit) {
  const std::string& host = visit.patient.host;
  const auto ours = co_await addresses(visit.tools.resolver, host);
  for (const auto& domain : visit.patient.domains) {
    const auto answer = co_await ask(visit.tools.resolver, domain.name, dns::Type::kMx);
    bool here = false;
    std::string list;
    for (const auto& mx : answer->exchanges) {
      const std::string name = mx.exchange.text();
      list += (list.empty() ? "" : ", ") + std::to_string(mx.preference) + " " + name;
      here = here || core::iequals(name, host);
      if (here) continue;
      const auto theirs = co_await addresses(visit.tools.resolver, name);
      here = std::any_of(theirs.begin(), theirs.end(),
                         [&](const auto& ip) { return std::find(ours.begin(), ours.end(), ip) != ours.end(); });
    }
    auto& finding = visit.sheet.add(Id::k_domain_mx, here ? Grade::kOk : Grade::kWarning, domain.name,
                                    list.empty() ? std::string(word(answer->code)) : list);
    if (!here) finding.records.push_back(domain.name + ". IN MX 10 " + host + ".");
  }
}

// The record of that name that begins so; how many there are.
core::Task<std::vector<std::string>> tagged(Visit visit, std::string name, std::string_view tag) {
  const auto answer = co_await ask(visit.tools.resolver, name, dns::Type::kTxt);
  std::vector<std::string> out;
  for (const auto& text : answer->texts)
    if (core::istarts_with(text, tag) &&
        (text.size() == tag.size() || text[tag.size()] == ' ' || text[tag.size()] == ';'))
      out.push_back(text);
  co_return out;
}

core::Task<void> record(Visit visit, Id id, std::string domain, std::string label, std::string_view tag,
                        std::vector<std::string> proposal) {
  const std::string name = label.empty() ? domain : label + "." + domain;
  const auto found = co_await tagged(visit, name, tag);
  const Grade grade = found.size() == 1 ? Grade::kOk : found.empty() ? Grade::kWarning : Grade::kFailure;
  auto& finding = visit.sheet.add(id, grade, domain,
                                  found.empty()       ? "no record at " + name
                                  : found.size() == 1 ? found.front()
                                                      : std::to_string(found.size()) + " records: none counts");
  if (found.empty()) finding.records = std::move(proposal);
}

core::Task<void> tlsa(Visit visit) {
  const std::string& host = visit.patient.host;
  const auto answer = co_await ask(visit.tools.resolver, "_25._tcp." + host, dns::Type::kTlsa);
  std::vector<std::string> wanted;
  std::size_t matched = 0;
  for (const auto& files : visit.patient.certificates) {
    const auto facts = io::inspect_certificate(files);
    if (!facts || !facts->covers(host)) continue;
    wanted.push_back(tlsa_record(host, facts->spki_sha256));
    const std::string rdata = std::string("\3\1\1", 3) + facts->spki_sha256;
    matched += std::find(answer->raw.begin(), answer->raw.end(), rdata) != answer->raw.end();
  }
  Grade grade = Grade::kOk;
  std::string evidence = std::to_string(answer->raw.size()) + " records, " + std::to_string(matched) + " of " +
                         std::to_string(wanted.size()) + " certificates for this name among them";
  if (answer->raw.empty()) {
    grade = Grade::kWarning;
    evidence = "no record at _25._tcp." + host;
  } else if (matched < wanted.size() || wanted.empty()) {
    grade = Grade::kFailure;
  } else if (!answer->authenticated) {
    evidence += "; not proven by DNSSEC here";
  }
  auto& finding = visit.sheet.add(Id::k_host_tlsa, grade, host, evidence);
  finding.records = std::move(wanted);
}
}  // namespace

core::Task<void> examine_dns(Visit visit) {
  for (const auto& [server, resolver] : visit.tools.servers) co_await time_server(visit, server, *resolver);
  co_await validation(visit);
  co_await own_name(visit);
  co_await exchanges(visit);
}

core::Task<void> examine_records(Visit visit) {
  const std::vector<std::string> mx{visit.patient.host};
  for (const auto& domain : visit.patient.domains) {
    const std::string& d = domain.name;
    std::vector<std::string> spf{d + ". IN TXT \"v=spf1 mx -all\""};
    co_await record(visit, Id::k_domain_spf, d, "", "v=spf1", std::move(spf));
    std::vector<std::string> dmarc{"_dmarc." + d + ". IN TXT \"v=DMARC1; p=none; rua=mailto:postmaster@" + d + "\""};
    co_await record(visit, Id::k_domain_dmarc, d, "_dmarc", "v=DMARC1", std::move(dmarc));
    co_await record(visit, Id::k_domain_mta_sts, d, "_mta-sts", "v=STSv1",
                    mta_sts_records(d, mx, visit.tools.clock.now_s()));
    std::vector<std::string> report{"_smtp._tls." + d + ". IN TXT \"v=TLSRPTv1; rua=mailto:postmaster@" + d + "\""};
    co_await record(visit, Id::k_domain_tlsrpt, d, "_smtp._tls", "v=TLSRPTv1", std::move(report));
  }
  co_await tlsa(visit);
}

std::string tlsa_record(std::string_view host, std::string_view key_sha256) {
  return "_25._tcp." + std::string(host) + ". IN TLSA 3 1 1 " + core::hex(key_sha256);
}

std::vector<std::string> mta_sts_records(std::string_view domain, std::span<const std::string> mx, std::int64_t now_s) {
  const std::time_t time = now_s;
  std::tm parts{};
  char id[32];
  ::gmtime_r(&time, &parts);
  std::strftime(id, sizeof id, "%Y%m%d%H%M%S", &parts);
  const std::string d(domain);
  std::vector<std::string> out{"_mta-sts." + d + ". IN TXT \"v=STSv1; id=" + id + "\"",
                               "# https://mta-sts." + d + "/.well-known/mta-sts.txt (text/plain, lines end in CRLF):",
                               "version: STSv1", "mode: testing"};
  for (const auto& host : mx) out.push_back("mx: " + host);
  out.push_back("max_age: 604800");
  return out;
}

}  // namespace sekisho::doctor
