#pragma once
// Numbers for Prometheus. A table of rows (METRIC in metrics.def) is all there is: a name that is not in it cannot be
// counted. Thread-safe; an increment is an atomic addition after a look-up among a row's few labels. Label values are
// words of ours, never outside octets.
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sekisho::metrics {

enum class Kind : std::uint8_t { kCounter, kGauge, kHistogram };

struct Row {
  Kind kind;
  std::string_view name;   // "sekisho_mails_total"
  std::string_view label;  // the one label's name, or empty
  std::string_view help;
};

class Registry {
 public:
  explicit Registry(std::span<const Row> rows);  // rows outlive it
  ~Registry();
  void add(std::size_t row, std::string_view label_value = {}, double amount = 1);  // counter
  void set(std::size_t row, double value, std::string_view label_value = {});       // gauge
  // All values of a gauge at once: labels that are not named are no longer shown. One caller a row.
  void set_all(std::size_t row, const std::vector<std::pair<std::string, double>>& by_label);
  void observe(std::size_t row, double value, std::string_view label_value = {});  // histogram: buckets from 1e-4 to 60
  std::string exposition() const;                                                  // text format 0.0.4

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sekisho::metrics
