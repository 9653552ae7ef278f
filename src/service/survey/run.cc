// Many names at a time, each asking one question after the other.
#include "service/survey/run.h"

#include <algorithm>
#include <memory>

#include "base/io/io.h"
#include "service/survey/queue.h"

namespace sekisho::survey {
namespace {

constexpr std::int64_t kTickMs = 20;
constexpr std::size_t kLeastWindow = 8;

class Running : public std::enable_shared_from_this<Running> {
 public:
  Running(const List& list, const Plan& plan, Pace pace, const dmarc::PublicSuffixList* psl, dns::Resolver& resolver,
          Results& results, Watcher& watcher)
      : list_(list),
        plan_(plan),
        pace_(pace),
        resolver_(resolver),
        results_(results),
        watcher_(watcher),
        queue_(list.names, results.facts, pace, psl) {
    window_ = std::min<std::size_t>(pace.window, 64);
    tokens_ = pace.rate ? 1 : 0;
  }

  // Begins as many names as the window, the rate and their domains allow. False: nothing is left to do.
  bool fill() {
    while (workers_ < window_) {
      auto turn = begin();
      if (!turn) break;
      ++workers_;
      io::spawn(work(shared_from_this(), std::move(*turn)));
    }
    return workers_ > 0 || !queue_.is_empty();
  }
  void tick() {
    if (pace_.rate == 0) return;
    const std::int64_t now = io::now_ms();
    const double more = static_cast<double>(now - last_ms_) * pace_.rate / 1000;
    tokens_ = std::min(tokens_ + more, std::max(1.0, static_cast<double>(pace_.rate) / 10));
    last_ms_ = now;
  }
  bool is_tired() const { return queue_.is_tired(); }
  void leave() { left_ = true; }
  bool disk_failed() const { return disk_failed_; }

 private:
  std::optional<Queue::Turn> begin() {
    if (pace_.rate && tokens_ < 1) return std::nullopt;
    auto turn = queue_.take();
    if (turn && pace_.rate && turn->authority.empty()) tokens_ -= 1;  // else it was begun before
    return turn;
  }
  bool stopped() { return left_ || disk_failed_ || watcher_.stop(); }
  void adapt(const Facts& facts) {
    ++round_;
    late_answers_ += std::find(facts.values.begin(), facts.values.end(), kTimeout) != facts.values.end();
    if (round_ < window_) return;
    if (late_answers_ * 4 > round_)
      window_ = std::min<std::size_t>(pace_.window, std::max(kLeastWindow, window_ / 2));
    else
      window_ = std::min<std::size_t>(pace_.window, window_ + std::max<std::size_t>(1, window_ / 8));
    round_ = late_answers_ = 0;
  }

  // The servers of a name as far as a resolver tells; see Pace::per_authority. Empty: not known.
  core::Task<std::string> authority_of(std::string domain) {
    const auto name = mail::Domain::parse(domain);
    if (!name) co_return "";
    core::Budget budget;
    auto asking = resolver_.lookup(name->name(), dns::Type::kNs, budget);
    const dns::AnswerPtr answer = co_await asking;
    if (dns::is_temporary(answer->code)) co_return "";
    if (answer->names.empty()) co_return "." + domain.substr(std::min(domain.size(), domain.find('.') + 1));
    std::string first;
    for (const auto& server : answer->names)
      if (auto text = server.text(); first.empty() || text < first) first = std::move(text);
    co_return queue_.registrable(first);
  }

  // One name. False: it waits for its authority, or we were told to stop.
  core::Task<bool> ask_one(Queue::Turn& turn) {
    if (!turn.settled) {
      auto finding = authority_of(turn.domain);
      std::string authority = co_await finding;
      if (stopped() || !queue_.settle(turn, std::move(authority))) co_return false;
    }
    const auto name = mail::Domain::parse(list_.names[turn.index]);
    auto asking = survey::ask(*name, plan_, resolver_);
    Facts facts = co_await asking;
    // A time-out because we were told to stop is no answer.
    if (stopped()) co_return false;
    facts.tries = static_cast<std::uint8_t>(results_.facts[turn.index].tries + 1);
    if (!results_.append(turn.index, facts)) disk_failed_ = true;
    queue_.give_back(turn);
    adapt(facts);
    if (queue_.is_finished(facts))
      watcher_.done(list_.names.size(), window_);
    else
      queue_.again(turn.index);
    co_return true;
  }

  static core::Task<void> work(std::shared_ptr<Running> self, Queue::Turn first) {
    std::optional<Queue::Turn> turn = std::move(first);
    for (unsigned in_a_row = 1; turn; ++in_a_row) {
      auto asking = self->ask_one(*turn);
      (void)co_await asking;
      turn.reset();
      if (in_a_row % 32 == 0) (void)co_await io::sleep_until(io::now_ms() + 1);  // let others run
      if (self->workers_ > self->window_ || self->stopped()) break;
      turn = self->begin();
    }
    --self->workers_;
  }

  const List& list_;
  const Plan& plan_;
  const Pace pace_;
  dns::Resolver& resolver_;
  Results& results_;
  Watcher& watcher_;
  Queue queue_;
  std::size_t workers_ = 0, window_ = 0, round_ = 0, late_answers_ = 0;
  double tokens_ = 0;
  std::int64_t last_ms_ = io::now_ms();
  bool left_ = false, disk_failed_ = false;
};

}  // namespace

core::Task<End> run(const List& list, const Plan& plan, Pace pace, const dmarc::PublicSuffixList* psl,
                    dns::Resolver& resolver, Results& results, Watcher& watcher) {
  const auto running = std::make_shared<Running>(list, plan, pace, psl, resolver, results, watcher);
  End end = End::kDone;
  while (running->fill()) {
    (void)co_await io::sleep_until(io::now_ms() + (running->is_tired() ? 1 : kTickMs));
    running->tick();
    if (running->disk_failed()) end = End::kDisk;
    if (watcher.stop()) end = End::kStopped;
    if (end != End::kDone) break;
  }
  running->leave();
  co_return end;
}

}  // namespace sekisho::survey
