#include <utility>

#include "road/identity/spf/check.h"

namespace sekisho::spf {
namespace {

constexpr std::size_t kRoundsMax =
    200;  // each brings an answer; far beyond what the limits of section 4.6.4 let through

core::Task<bool> fetch(std::vector<Question>& missing, std::vector<Pinned>& pinned, dns::Resolver& resolver,
                       core::Budget& budget) {
  if (missing.size() == 1) {
    auto answer = co_await resolver.lookup(missing[0].name, missing[0].type, budget);
    pinned.push_back({std::move(missing[0]), std::move(answer)});
  } else {
    std::vector<core::Task<dns::AnswerPtr>> tasks;
    for (const auto& question : missing) tasks.push_back(resolver.lookup(question.name, question.type, budget));
    auto answers = co_await core::when_all(std::move(tasks));
    for (std::size_t i = 0; i < answers.size(); ++i) pinned.push_back({std::move(missing[i]), std::move(answers[i])});
  }
  missing.clear();
  co_return true;
}

}  // namespace

std::optional<Evaluation> try_evaluate(const Query& query, dns::Resolver& resolver, core::Budget& budget,
                                       const Settings& settings) {
  return Check(query, resolver, budget, settings, nullptr, nullptr).run();
}

core::Task<Evaluation> evaluate(const Query& query, dns::Resolver& resolver, core::Budget& budget,
                                const Settings& settings) {
  std::vector<Question> missing;
  std::vector<Pinned> pinned;
  const auto now_ms = [&settings] { return settings.clock ? settings.clock->steady_ms() : 0; };
  const std::int64_t start_ms = now_ms();
  for (std::size_t round = 0; round < kRoundsMax; ++round) {
    Check check(query, resolver, budget, settings, &pinned, &missing);
    auto done = check.run();
    if (done) co_return std::move(*done);
    // Section 4.6.4: beyond the limit of elapsed time the result is temperror.
    if (now_ms() - start_ms > settings.elapsed_ms_max) break;
    co_await fetch(missing, pinned, resolver, budget);
  }
  Check check(query, resolver, budget, settings, &pinned, nullptr);
  co_return check.stop(road::AuthResult::kTempError, "the DNS takes too long");
}

core::Task<Evaluation> evaluate(const Query& query, dns::Resolver& resolver, core::Budget& budget) {
  static const Settings kDefaults;
  return evaluate(query, resolver, budget, kDefaults);
}

}  // namespace sekisho::spf
