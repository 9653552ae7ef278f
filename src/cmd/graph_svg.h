#pragma once
// One picture: mails over time that proved their domain, that forged it, and that nobody can tell. A panel a domain.
// Pure; colours of Okabe and Ito with different dashes and marks, so that it also reads in grey.
#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace sekisho::cmd {

enum class Proof : unsigned char { kProven, kForged, kUnknown };
struct GraphPanel {
  std::string domain;
  std::vector<std::array<std::uint64_t, 3>> counts;  // per bucket, by Proof
};
struct Graph {
  std::int64_t from_s = 0, bucket_s = 86400;  // UTC; all panels have equally many buckets
  std::vector<GraphPanel> panels;
};
std::string draw(const Graph& graph);

}  // namespace sekisho::cmd
