// Many names at a time, each asking one question after the other.
#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "base/io/io.h"
#include "service/survey/survey.h"

namespace sekisho::survey {
namespace {

constexpr std::int64_t kTickMs = 20;
constexpr std::size_t kLeastWindow = 8;

struct Group {
  unsigned under_way = 0;
  std::deque<std::uint32_t> waiting;
};

class Running : public std::enable_shared_from_this<Running> {
 public:
  Running(const List& list, const Plan& plan, Pace pace, const dmarc::PublicSuffixList* psl, dns::Resolver& resolver,
          Results& results, Watcher& watcher)
      : list_(list), plan_(plan), pace_(pace), psl_(psl), resolver_(resolver), results_(results), watcher_(watcher) {
    window_ = std::min<std::size_t>(pace.window, 64);
    tokens_ = pace.rate ? 1 : 0;
  }

  // Begins as many names as the window, the rate and their domains allow. False: nothing is left to do.
  bool fill() {
    while (workers_ < window_ && has_work() && (pace_.rate == 0 || tokens_ >= 1)) {
      ++workers_;
      io::spawn(work(shared_from_this()));
    }
    return workers_ > 0 || has_work();
  }
  void tick() {
    if (pace_.rate == 0) return;
    const std::int64_t now = io::now_ms();
    const double more = static_cast<double>(now - last_ms_) * pace_.rate / 1000;
    tokens_ = std::min(tokens_ + more, std::max(1.0, static_cast<double>(pace_.rate) / 10));
    last_ms_ = now;
  }
  bool idle() const { return workers_ == 0; }
  void leave() { left_ = true; }
  bool disk_failed() const { return disk_failed_; }

 private:
  bool stopped() { return left_ || disk_failed_ || watcher_.stop(); }
  bool has_work() {
    if (!freed_.empty()) return true;
    while (next_ < list_.names.size() && finished(results_.facts[next_])) ++next_;
    if (next_ < list_.names.size()) return true;
    // All others first: a server that was tired has had its rest.
    if (workers_ == 0 && waiting_ == 0 && !late_.empty()) freed_.swap(late_);
    return !freed_.empty();
  }
  bool finished(const Facts& facts) const { return facts.tries > 0 && (!facts.failed() || facts.tries >= pace_.tries); }
  std::string group_of(const std::string& name) const {
    const auto domain = mail::Domain::parse(name);
    if (domain && psl_)
      if (const auto own = psl_->organizational_domain(*domain)) return own->text();
    auto dot = name.rfind('.');
    if (dot != name.npos && dot > 0) dot = name.rfind('.', dot - 1);
    return dot == name.npos ? name : name.substr(dot + 1);
  }
  // The next name whose domain has room; the others wait with their domain.
  std::optional<std::uint32_t> take(std::string& group) {
    while (has_work()) {
      std::uint32_t index = 0;
      if (!freed_.empty()) {
        index = freed_.front();
        freed_.pop_front();
      } else {
        index = static_cast<std::uint32_t>(next_++);
      }
      group = group_of(list_.names[index]);
      Group& at = groups_[group];
      if (at.under_way < pace_.per_domain) {
        ++at.under_way;
        return index;
      }
      at.waiting.push_back(index);
      ++waiting_;
    }
    return std::nullopt;
  }
  void give_back(const std::string& group) {
    const auto at = groups_.find(group);
    --at->second.under_way;
    if (!at->second.waiting.empty()) {
      freed_.push_front(at->second.waiting.front());
      at->second.waiting.pop_front();
      --waiting_;
    } else if (at->second.under_way == 0) {
      groups_.erase(at);
    }
  }
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

  static core::Task<void> work(std::shared_ptr<Running> self) {
    unsigned in_a_row = 0;
    while (!self->stopped() && self->workers_ <= self->window_ && (self->pace_.rate == 0 || self->tokens_ >= 1)) {
      std::string group;
      const auto index = self->take(group);
      if (!index) break;
      if (self->pace_.rate) self->tokens_ -= 1;
      const auto name = mail::Domain::parse(self->list_.names[*index]);
      auto asking = survey::ask(*name, self->plan_, self->resolver_);
      Facts facts = co_await asking;
      // A time-out because we were told to stop is no answer.
      if (self->stopped()) break;
      facts.tries = static_cast<std::uint8_t>(self->results_.facts[*index].tries + 1);
      if (!self->results_.append(*index, facts)) self->disk_failed_ = true;
      self->give_back(group);
      self->adapt(facts);
      if (self->finished(facts))
        self->watcher_.done(self->list_.names.size(), self->window_);
      else
        self->late_.push_back(*index);
      if (++in_a_row % 32 == 0) (void)co_await io::sleep_until(io::now_ms() + 1);  // let others run
    }
    --self->workers_;
  }

  const List& list_;
  const Plan& plan_;
  const Pace pace_;
  const dmarc::PublicSuffixList* psl_;
  dns::Resolver& resolver_;
  Results& results_;
  Watcher& watcher_;
  std::size_t next_ = 0, workers_ = 0, waiting_ = 0, window_ = 0, round_ = 0, late_answers_ = 0;
  std::deque<std::uint32_t> freed_, late_;
  std::unordered_map<std::string, Group> groups_;
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
    (void)co_await io::sleep_until(io::now_ms() + kTickMs);
    running->tick();
    if (running->disk_failed()) end = End::kDisk;
    if (watcher.stop()) end = End::kStopped;
    if (end != End::kDone) break;
  }
  running->leave();
  co_return end;
}

}  // namespace sekisho::survey
