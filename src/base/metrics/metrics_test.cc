#include "base/metrics/metrics.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace sekisho::metrics {
namespace {

constexpr Row kRows[] = {{Kind::kCounter, "x_total", "", "plain"},
                         {Kind::kCounter, "y_total", "action", "by action"},
                         {Kind::kGauge, "z", "", "now"},
                         {Kind::kHistogram, "s", "", "time"}};

TEST(Metrics, ExpositionHoldsWhatWasCounted) {
  Registry r(kRows);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) r.add(1, i % 2 ? "tag" : "accept");
    });
  for (auto& t : threads) t.join();
  r.set(2, 7);
  r.observe(3, 0.002);
  const std::string text = r.exposition();
  EXPECT_NE(text.find("x_total 0"), std::string::npos) << text;
  EXPECT_NE(text.find("y_total{action=\"tag\"} 2000"), std::string::npos) << text;
  EXPECT_NE(text.find("z 7"), std::string::npos);
  EXPECT_NE(text.find("s_bucket{le=\"0.003\"} 1"), std::string::npos) << text;
}

}  // namespace
}  // namespace sekisho::metrics
