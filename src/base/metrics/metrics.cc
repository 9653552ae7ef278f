#include "base/metrics/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <deque>
#include <mutex>
#include <shared_mutex>
#include <vector>

namespace sekisho::metrics {

namespace {
const prometheus::Histogram::BucketBoundaries kBuckets{0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1,
                                                       0.3,    1,      3,     10,    30,   60};

// The few label values of one row and what counts for them.
template <class Metric>
class Labelled {
 public:
  template <class Make>
  Metric& at(std::string_view value, Make make) {
    {
      const std::shared_lock lock(mutex_);
      for (auto& [label, metric] : seen_)
        if (label == value) return *metric;
    }
    const std::unique_lock lock(mutex_);
    for (auto& [label, metric] : seen_)
      if (label == value) return *metric;
    Metric& made = make();
    seen_.emplace_back(std::string(value), &made);
    return made;
  }
  template <class Keep>
  std::vector<Metric*> take_others(Keep keep) {
    const std::unique_lock lock(mutex_);
    const auto kept =
        std::stable_partition(seen_.begin(), seen_.end(), [&](const auto& each) { return keep(each.first); });
    std::vector<Metric*> out;
    for (auto at = kept; at != seen_.end(); ++at) out.push_back(at->second);
    seen_.erase(kept, seen_.end());
    return out;
  }

 private:
  std::shared_mutex mutex_;
  std::vector<std::pair<std::string, Metric*>> seen_;
};

struct Cell {
  prometheus::Family<prometheus::Counter>* counters = nullptr;
  prometheus::Family<prometheus::Gauge>* gauges = nullptr;
  prometheus::Family<prometheus::Histogram>* histograms = nullptr;
  Labelled<prometheus::Counter> counter;
  Labelled<prometheus::Gauge> gauge;
  Labelled<prometheus::Histogram> histogram;
};
}  // namespace

struct Registry::Impl {
  prometheus::Registry registry;
  std::span<const Row> rows;
  std::deque<Cell> cells;

  prometheus::Labels labels(std::size_t row, std::string_view value) const {
    if (rows[row].label.empty()) return {};
    return {{std::string(rows[row].label), std::string(value)}};
  }
};

Registry::Registry(std::span<const Row> rows) : impl_(std::make_unique<Impl>()) {
  impl_->rows = rows;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Row& row = rows[i];
    Cell& cell = impl_->cells.emplace_back();
    const std::string name(row.name), help(row.help);
    if (row.kind == Kind::kCounter)
      cell.counters = &prometheus::BuildCounter().Name(name).Help(help).Register(impl_->registry);
    if (row.kind == Kind::kGauge)
      cell.gauges = &prometheus::BuildGauge().Name(name).Help(help).Register(impl_->registry);
    if (row.kind == Kind::kHistogram)
      cell.histograms = &prometheus::BuildHistogram().Name(name).Help(help).Register(impl_->registry);
    if (row.label.empty() && row.kind == Kind::kCounter) add(i, {}, 0);  // shown from the start, as zero
  }
}
Registry::~Registry() = default;

void Registry::add(std::size_t row, std::string_view value, double amount) {
  Cell& cell = impl_->cells[row];
  cell.counter.at(value, [&]() -> prometheus::Counter& { return cell.counters->Add(impl_->labels(row, value)); })
      .Increment(amount);
}

void Registry::set(std::size_t row, double number, std::string_view value) {
  Cell& cell = impl_->cells[row];
  cell.gauge.at(value, [&]() -> prometheus::Gauge& { return cell.gauges->Add(impl_->labels(row, value)); }).Set(number);
}

void Registry::set_all(std::size_t row, const std::vector<std::pair<std::string, double>>& by_label) {
  Cell& cell = impl_->cells[row];
  const auto named = [&](const std::string& label) {
    return std::any_of(by_label.begin(), by_label.end(), [&](const auto& each) { return each.first == label; });
  };
  for (prometheus::Gauge* gone : cell.gauge.take_others(named)) cell.gauges->Remove(gone);
  for (const auto& [label, number] : by_label) set(row, number, label);
}

void Registry::observe(std::size_t row, double number, std::string_view value) {
  Cell& cell = impl_->cells[row];
  cell.histogram
      .at(value, [&]() -> prometheus::Histogram& { return cell.histograms->Add(impl_->labels(row, value), kBuckets); })
      .Observe(number);
}

std::string Registry::exposition() const { return prometheus::TextSerializer().Serialize(impl_->registry.Collect()); }

}  // namespace sekisho::metrics
