#include <algorithm>

#include "base/core/text.h"
#include "road/identity/dkim/check.h"

namespace sekisho::dkim {
namespace {
using road::AuthResult;
constexpr std::size_t kHeadMin = 8, kHeadMax = 64;

// Reads the fields; those that may go on are cut at max_signatures, so that a mail cannot buy look-ups by the dozen
// (RFC 6376 section 8.4).
std::vector<Field> read_fields(const mail::Message& message, const Options& options, core::Budget& budget,
                               road::Findings& findings) {
  const auto headers = message.all("DKIM-Signature");
  std::vector<Field> fields;
  fields.reserve(std::min(headers.size(), options.max_fields));
  std::size_t checked = 0;
  for (const auto* header : headers) {
    if (fields.size() == options.max_fields) break;
    Field& field = fields.emplace_back(read_field(*header, options, budget));
    if (!field.refusal && ++checked > options.max_signatures)
      field.refusal = Refusal{AuthResult::kPolicy, "one signature too many"};
  }
  if (headers.size() > options.max_signatures)
    findings.push_back({"dkim", "dkim_too_many_signatures", AuthResult::kPolicy,
                        std::to_string(headers.size()) + " signatures, at most " +
                            std::to_string(options.max_signatures) + " are checked"});
  return fields;
}

// One answer per field, the same one for the same name; null where the field was refused. All that is not at hand is
// asked at the same time.
core::Task<std::vector<dns::AnswerPtr>> fetch_keys(const std::vector<Field>& fields, dns::Resolver& resolver,
                                                   core::Budget& budget) {
  std::vector<dns::AnswerPtr> answers(fields.size());
  std::vector<std::size_t> asked;  // the field of each task
  std::vector<core::Task<dns::AnswerPtr>> tasks;
  std::vector<std::size_t> same(fields.size());
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (fields[i].refusal) continue;
    std::size_t first = 0;
    while (fields[first].refusal || fields[first].key_name != fields[i].key_name) ++first;
    same[i] = first;
    if (first != i) continue;
    answers[i] = resolver.ready(*fields[i].key_name, dns::Type::kTxt);
    if (answers[i]) continue;
    asked.push_back(i);
    tasks.push_back(resolver.lookup(*fields[i].key_name, dns::Type::kTxt, budget));
  }
  if (!tasks.empty()) {
    auto all = core::when_all(std::move(tasks));
    const auto got = co_await all;
    for (std::size_t k = 0; k < asked.size(); ++k) answers[asked[k]] = got[k];
  }
  for (std::size_t i = 0; i < fields.size(); ++i)
    if (!fields[i].refusal) answers[i] = answers[same[i]];
  co_return answers;
}

std::optional<Refusal> refuse_answer(const dns::Answer& answer) {
  switch (answer.code) {
    case dns::Code::kRecords:
      return {};
    case dns::Code::kNoData:
      return Refusal{AuthResult::kPermError, "no key in the DNS"};
    case dns::Code::kNxDomain:
      return Refusal{AuthResult::kPermError, "no key in the DNS (NXDOMAIN)"};
    case dns::Code::kNotAllowed:
      return Refusal{AuthResult::kPolicy, "too many DNS queries"};
    default:
      return Refusal{AuthResult::kTempError, "the DNS did not answer for the key"};
  }
}

// RFC 6008 section 3: header.b tells signatures apart, "at least the first eight characters".
void shorten_heads(std::vector<Field>& fields) {
  std::vector<std::size_t> sizes(fields.size(), kHeadMin);
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const std::string& mine = fields[i].shown.signature_head;
    for (std::size_t k = 0; k < fields.size(); ++k) {
      const std::string& other = fields[k].shown.signature_head;
      if (k == i || mine == other) continue;
      const auto [at, ignored] = std::mismatch(mine.begin(), mine.end(), other.begin(), other.end());
      sizes[i] = std::max(sizes[i], static_cast<std::size_t>(at - mine.begin()) + 1);
    }
  }
  for (std::size_t i = 0; i < fields.size(); ++i) {
    std::string& head = fields[i].shown.signature_head;
    head.resize(std::min({head.size(), sizes[i], kHeadMax}));
  }
}

std::string_view code_of(AuthResult result) {
  switch (result) {
    case AuthResult::kFail:
      return "dkim_fail";
    case AuthResult::kPolicy:
      return "dkim_policy";
    case AuthResult::kTempError:
      return "dkim_temperror";
    case AuthResult::kPermError:
      return "dkim_permerror";
    default:
      return {};
  }
}

// Each code once, with the first signature that gave it.
void report(std::string_view code, const Verification& shown, road::Findings& findings) {
  if (code.empty()) return;
  for (const auto& finding : findings)
    if (finding.room == "dkim" && finding.code == code) return;
  findings.push_back({"dkim", code, shown.result,
                      (shown.signing_domain.empty() ? std::string("?") : shown.signing_domain) + ", " + shown.reason});
}

void report_all(const std::vector<Field>& fields, const Options& options, road::Findings& findings) {
  for (const Field& field : fields) {
    const Verification& shown = field.shown;
    // Section 3.6.1, t=y: "MUST NOT treat messages from Signers in testing mode differently from unsigned email".
    if (shown.testing) report("dkim_testing", shown, findings);
    if (!shown.testing) report(code_of(shown.result), shown, findings);
    if (field.refusal) report(field.refusal->finding, shown, findings);
    if (shown.passed() && field.from_left) report("dkim_from_unsigned", shown, findings);
    if (shown.domain && options.is_public_suffix && options.is_public_suffix(*shown.domain))
      report("dkim_d_public_suffix", shown, findings);
  }
}
}  // namespace

core::Task<std::vector<Verification>> verify(const mail::Message& message, dns::Resolver& resolver,
                                             const Options& options, core::Budget& budget, road::Findings& findings) {
  std::vector<Verification> shown;
  auto fields = read_fields(message, options, budget, findings);
  if (fields.empty()) co_return shown;
  auto fetching = fetch_keys(fields, resolver, budget);
  const auto answers = co_await fetching;

  std::function<void()> check = [&] {
    const signature::HeaderIndex index(message);
    for (std::size_t i = 0; i < fields.size(); ++i) {
      if (fields[i].refusal) continue;
      fields[i].refusal = refuse_answer(*answers[i]);
      if (!fields[i].refusal) check_signature(fields[i], answers[i]->texts, message, index, options, budget);
    }
    check_bodies(fields, message, budget);
  };
  if (options.pool && message.size() > kBigBytes)
    co_await options.pool->run(std::move(check));
  else
    check();

  shorten_heads(fields);
  for (Field& field : fields) {
    field.shown.result = field.refusal ? field.refusal->result : AuthResult::kPass;
    field.shown.reason = field.refusal ? field.refusal->reason : "good signature";
  }
  report_all(fields, options, findings);
  shown.reserve(fields.size());
  for (Field& field : fields) shown.push_back(std::move(field.shown));
  co_return shown;
}

}  // namespace sekisho::dkim
