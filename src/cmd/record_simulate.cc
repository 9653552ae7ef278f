// What would have happened to past mail under a record that is not published yet: a mailbox judged twice, or the
// ledger's mails with the facts it keeps.
#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>
#include <map>

#include "base/core/clock.h"
#include "base/core/text.h"
#include "base/io/io.h"
#include "cmd/judge.h"
#include "cmd/mailbox.h"
#include "cmd/past.h"
#include "cmd/present.h"
#include "cmd/progress.h"
#include "cmd/record.h"
#include "cmd/settings.h"

namespace sekisho::cmd {
namespace {

struct PapersSaid {
  road::AuthResult spf = road::AuthResult::kNone, dmarc = road::AuthResult::kNone;
  dmarc::Policy policy = dmarc::Policy::kNone;  // asked for when dmarc is fail
  auto operator<=>(const PapersSaid&) const = default;
};
PapersSaid said(road::AuthResult spf, const dmarc::Evaluation& dmarc) {
  const bool fails = dmarc.result == road::AuthResult::kFail;
  return {spf, dmarc.result, fails ? dmarc.policy : dmarc::Policy::kNone};
}

struct SimulatedSource {
  std::string ip, helo;
  PapersSaid before, after;
  auto operator<=>(const SimulatedSource&) const = default;
};

std::string dmarc_word(const PapersSaid& v) {
  std::string out(road::word(v.dmarc));
  if (v.dmarc == road::AuthResult::kFail) out += "/" + std::string(dmarc::word(v.policy));
  return out;
}

class SimulatedMails final {
 public:
  explicit SimulatedMails(const mail::Domain& domain) : domain_(domain) {}
  bool concerns(std::string_view name) const {
    const auto d = mail::Domain::parse(name);
    return d && d->is_at_or_below(domain_);
  }
  void count(SimulatedSource source) { ++sources_[std::move(source)]; }
  std::map<SimulatedSource, std::uint64_t> sources_;
  std::uint64_t others = 0, unreadable = 0;
  bool cut = false;

 private:
  const mail::Domain& domain_;
};

std::string_view domain_part(std::string_view address) {
  const auto at = address.rfind('@');
  return at == address.npos ? std::string_view() : address.substr(at + 1);
}

PapersSaid verdicts_of(const Judged& judged) {
  const auto& papers = judged.mail.papers;
  return said(papers.spf_mfrom.result, papers.dmarc);
}

bool is_of(const Judged& judged, const Judge::Question& q, const SimulatedMails& tally) {
  const auto& papers = judged.mail.papers;
  if (tally.concerns(q.mail_from.empty() ? std::string_view(q.helo) : domain_part(q.mail_from))) return true;
  if (papers.dmarc.author_domain && tally.concerns(papers.dmarc.author_domain->text())) return true;
  return std::any_of(papers.dkim.begin(), papers.dkim.end(),
                     [&](const auto& v) { return v.domain && tally.concerns(v.domain->text()); });
}

core::Task<void> judge_mailbox(const Mailbox& box, Judge& before, Judge& after, SimulatedMails& tally) {
  const std::int64_t now_s = core::SystemClock().now_s();
  Progress progress("simulating", box.size());
  for (std::size_t i = 0; i < box.size(); ++i, progress.step()) {
    auto octets = box.read(i);
    core::Budget budget;
    const auto message = octets ? mail::Message::from_file(*octets, budget)
                                : core::Result<std::shared_ptr<const mail::Message>, mail::MessageError>(
                                      core::error(mail::MessageError::kTooComplex));
    const auto client = message ? likely_client(**message) : std::nullopt;
    if (!message || !client) {
      ++tally.unreadable;
      continue;
    }
    Judge::Question question;
    question.ip = *client;
    question.helo = likely_helo(**message);
    question.mail_from = likely_mail_from(*octets);
    question.octets = std::move(*octets);
    question.now_s = now_s;
    auto first = before.judge(question);
    const Judged old = co_await first;
    if (!is_of(old, question, tally)) {
      ++tally.others;
      continue;
    }
    auto second = after.judge(question);
    const Judged fresh = co_await second;
    tally.count({question.ip.text(), core::printable(question.helo, 60), verdicts_of(old), verdicts_of(fresh)});
  }
}

// The facts of a decided mail; its signatures were verified when it came.
struct PastMail {
  core::IpAddress ip;
  std::string helo, mail_from;
  std::optional<mail::Domain> author;
  std::vector<dmarc::DkimInput> dkim;
};

std::optional<PastMail> past_mail(const boost::json::object& decided) {
  PastMail out;
  const auto* client = decided.if_contains("client");
  if (!client || !client->is_object()) return {};
  const auto ip = core::IpAddress::parse(member_text(client->as_object(), "ip"));
  if (!ip) return {};
  out.ip = *ip;
  out.helo = member_text(client->as_object(), "helo");
  out.mail_from = member_text(decided, "mail_from");
  out.author = mail::Domain::parse(member_text(decided, "author_domain"));
  if (const auto* methods = decided.if_contains("authentication"); methods && methods->is_array())
    for (const auto& method : methods->as_array()) {
      const auto& m = method.as_object();
      if (member_text(m, "method") != "dkim" || member_text(m, "result") != "pass") continue;
      out.dkim.push_back({road::AuthResult::kPass, mail::Domain::parse(member_text(m, "domain"))});
    }
  return out;
}

core::Task<PapersSaid> judge_past(const PastMail& past, dns::Resolver& resolver) {
  core::Budget budget;
  spf::Query query;
  query.client_ip = past.ip;
  query.helo = past.helo;
  query.mail_from = past.mail_from;
  auto checking = spf::evaluate(query, resolver, budget);
  const spf::Evaluation spf = co_await checking;
  dmarc::Inputs inputs;
  inputs.author_domain = past.author;
  inputs.spf_result = spf.result;
  inputs.spf_domain = mail::Domain::parse(spf.domain.view());
  inputs.dkim = past.dkim;
  core::Budget own;
  dmarc::Options options;
  options.verify_destinations = false;
  auto evaluating = dmarc::evaluate(inputs, resolver, options, own);
  const dmarc::Evaluation dmarc = co_await evaluating;
  co_return said(spf.result, dmarc);
}

core::Task<void> judge_past_mails(const std::vector<PastMail>& mails, dns::Resolver& before, dns::Resolver& after,
                                  SimulatedMails& tally) {
  Progress progress("simulating", mails.size());
  for (const auto& past : mails) {
    auto first = judge_past(past, before);
    const PapersSaid old = co_await first;
    auto second = judge_past(past, after);
    const PapersSaid fresh = co_await second;
    tally.count({past.ip.text(), core::printable(past.helo, 60), old, fresh});
    progress.step();
  }
}

// False: the ledger could not be asked, which has been told.
bool read_ledger(const Simulation& s, std::vector<PastMail>& mails, SimulatedMails& tally) {
  const std::string& domain = s.domain->text();
  const PastQuery query{"record", s.config_file, domain, "record simulation for " + domain};
  const auto read = each_decided(query, [&](const boost::json::object& decided, std::int64_t) {
    if (auto past = past_mail(decided)) mails.push_back(std::move(*past));
  });
  tally.cut = read == PastRead::kCut;
  return read != PastRead::kFailed;
}

bool passes(const PapersSaid& v, records::Type type) {
  const bool by_address = type == records::Type::kSpf || type == records::Type::kSenderId;
  return (by_address ? v.spf : v.dmarc) == road::AuthResult::kPass;
}

struct SimulatedSums {
  std::uint64_t mails = 0, before = 0, after = 0, changed = 0;
};
SimulatedSums sums_of(const SimulatedMails& tally, records::Type type) {
  SimulatedSums out;
  for (const auto& [source, n] : tally.sources_) {
    out.mails += n;
    out.before += passes(source.before, type) ? n : 0;
    out.after += passes(source.after, type) ? n : 0;
    out.changed += source.before == source.after ? 0 : n;
  }
  return out;
}

std::vector<std::pair<SimulatedSource, std::uint64_t>> rows_of(const SimulatedMails& tally) {
  std::vector<std::pair<SimulatedSource, std::uint64_t>> out(tally.sources_.begin(), tally.sources_.end());
  const auto changes = [](const auto& row) { return !(row.first.before == row.first.after); };
  std::stable_sort(out.begin(), out.end(), [&](const auto& a, const auto& b) {
    return std::pair(!changes(a), b.second) < std::pair(!changes(b), a.second);
  });
  return out;
}

void print_simulation(const SimulatedMails& tally, records::Type type, bool japanese) {
  constexpr std::size_t kRowsMax = 50;
  const SimulatedSums sums = sums_of(tally, type);
  std::size_t ips = 2, helos = 4, shown = 0;
  const auto rows = rows_of(tally);
  for (const auto& [source, n] : rows)
    ips = std::max(ips, source.ip.size()), helos = std::max(helos, source.helo.size());
  std::printf("\n%8s  %-*s  %-*s  %-20s  %-36s\n", "mails", static_cast<int>(ips), "ip", static_cast<int>(helos),
              "helo", "spf now -> new", "dmarc now -> new");
  for (const auto& [source, n] : rows) {
    if (++shown > kRowsMax) break;
    const std::string spf = std::string(word(source.before.spf)) + " -> " + std::string(word(source.after.spf));
    const std::string dmarc = dmarc_word(source.before) + " -> " + dmarc_word(source.after);
    std::printf("%8llu  %-*s  %-*s  %-20s  %-34s%s\n", static_cast<unsigned long long>(n), static_cast<int>(ips),
                source.ip.c_str(), static_cast<int>(helos), source.helo.c_str(), spf.c_str(), dmarc.c_str(),
                source.before == source.after ? "" : "  *");
  }
  if (rows.size() > kRowsMax) std::printf("(%zu more rows: --json)\n", rows.size() - kRowsMax);
  std::printf(japanese
                  ? "メール %llu 通: 現在の pass %llu、新しいレコードでの pass %llu、変わるもの %llu (他ドメイン "
                    "%llu、読めない %llu)%s\n"
                  : "%llu mails: %llu pass now, %llu under the new record, %llu change (%llu of other domains, %llu "
                    "unreadable)%s\n",
              static_cast<unsigned long long>(sums.mails), static_cast<unsigned long long>(sums.before),
              static_cast<unsigned long long>(sums.after), static_cast<unsigned long long>(sums.changed),
              static_cast<unsigned long long>(tally.others), static_cast<unsigned long long>(tally.unreadable),
              tally.cut ? (japanese ? " (新しいものだけ)" : " (the newest only)") : "");
}

boost::json::object simulation_json(const SimulatedMails& tally, records::Type type) {
  const SimulatedSums sums = sums_of(tally, type);
  const auto side = [](const PapersSaid& v) {
    return boost::json::object{{"spf", word(v.spf)},
                               {"dmarc", word(v.dmarc)},
                               {"policy", v.dmarc == road::AuthResult::kFail ? boost::json::value(word(v.policy))
                                                                             : boost::json::value(nullptr)}};
  };
  boost::json::array sources;
  for (const auto& [source, n] : rows_of(tally))
    sources.push_back({{"ip", source.ip},
                       {"helo", utf8(source.helo)},
                       {"mails", n},
                       {"before", side(source.before)},
                       {"after", side(source.after)},
                       {"changes", !(source.before == source.after)}});
  return {{"mails", sums.mails},     {"pass_before", sums.before},   {"pass_after", sums.after},
          {"changed", sums.changed}, {"others", tally.others},       {"unreadable", tally.unreadable},
          {"complete", !tally.cut},  {"sources", std::move(sources)}};
}

}  // namespace

core::Result<boost::json::object, std::string> simulate(const Simulation& s, dns::Resolver& now, dns::Resolver& fresh,
                                                        bool print_table, bool japanese) {
  SimulatedMails tally(*s.domain);
  if (!s.mailbox.empty()) {
    const auto box = Mailbox::open(s.mailbox);
    if (!box) return core::error(box.error());
    const auto road = default_road("mx.sekisho.example");
    Judge before(road, now), after(road, fresh);
    io::run(judge_mailbox(*box, before, after, tally));
  } else {
    std::vector<PastMail> mails;
    if (!read_ledger(s, mails, tally)) return core::error(std::string("the ledger could not be asked"));
    io::run(judge_past_mails(mails, now, fresh, tally));
  }
  if (print_table) print_simulation(tally, s.type, japanese);
  return simulation_json(tally, s.type);
}

}  // namespace sekisho::cmd
