#include "cmd/graph_svg.h"

#include <algorithm>
#include <cstdio>

#include "cmd/present.h"

namespace sekisho::cmd {
namespace {

constexpr int kWidth = 900, kPanel = 260, kLeft = 70, kRight = 20, kTop = 70, kBottom = 50;

struct Style {
  const char *colour, *dash, *name_en, *name_ja;
};
constexpr Style kStyles[] = {{"#0072B2", "", "proven", "証明された"},
                             {"#D55E00", "7 4", "forged", "なりすまし"},
                             {"#767676", "2 3", "not told", "判定不能"}};

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", value);
  return text;
}

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  return out;
}

std::string label(double x, double y, const std::string& text, const char* anchor = "start", int size = 12) {
  return "<text x=\"" + number(x) + "\" y=\"" + number(y) + "\" font-size=\"" + std::to_string(size) +
         "\" text-anchor=\"" + anchor + "\">" + escaped(text) + "</text>\n";
}

std::string line(double x1, double y1, double x2, double y2, const char* colour) {
  return "<line x1=\"" + number(x1) + "\" y1=\"" + number(y1) + "\" x2=\"" + number(x2) + "\" y2=\"" + number(y2) +
         "\" stroke=\"" + colour + "\"/>\n";
}

// 1, 2 or 5 times a power of ten: at most five steps to the top.
std::uint64_t step_for(std::uint64_t most) {
  for (std::uint64_t power = 1;; power *= 10)
    for (const std::uint64_t times : {1, 2, 5})
      if (most <= power * times * 5) return power * times;
}

std::string when(std::int64_t seconds, bool days) { return utc_text(seconds, days ? "%Y-%m-%d" : "%m-%d %H:%M"); }

// Circle, square, triangle.
std::string mark(std::size_t kind, double x, double y) {
  const std::string fill = std::string("\" fill=\"") + kStyles[kind].colour + "\"/>\n";
  if (kind == 0) return "<circle r=\"3.5\" cx=\"" + number(x) + "\" cy=\"" + number(y) + fill;
  if (kind == 1) return "<rect width=\"7\" height=\"7\" x=\"" + number(x - 3.5) + "\" y=\"" + number(y - 3.5) + fill;
  return "<polygon points=\"" + number(x - 4) + "," + number(y + 3) + " " + number(x + 4) + "," + number(y + 3) + " " +
         number(x) + "," + number(y - 4) + fill;
}

std::string series(const GraphPanel& panel, std::size_t kind, double x0, double dx, double y0, double scale) {
  constexpr std::size_t kMarkedMax = 60;
  std::string points, marks;
  for (std::size_t i = 0; i < panel.counts.size(); ++i) {
    const double x = x0 + dx * (static_cast<double>(i) + 0.5);
    const double y = y0 - static_cast<double>(panel.counts[i][kind]) * scale;
    points += number(x) + "," + number(y) + " ";
    if (panel.counts.size() <= kMarkedMax) marks += mark(kind, x, y);
  }
  return "<polyline fill=\"none\" stroke-width=\"2.5\" stroke=\"" + std::string(kStyles[kind].colour) +
         "\" stroke-dasharray=\"" + kStyles[kind].dash + "\" points=\"" + points + "\"/>\n" + marks;
}

std::string draw_panel(const Graph& graph, const GraphPanel& panel, double top) {
  const double height = kPanel - 70, bottom = top + height, width = kWidth - kLeft - kRight;
  std::uint64_t most = 1;
  for (const auto& bucket : panel.counts) most = std::max({most, bucket[0], bucket[1], bucket[2]});
  const std::uint64_t step = step_for(most), ceiling = (most + step - 1) / step * step;
  const double scale = height / static_cast<double>(ceiling);
  std::string out = label(kLeft, top - 10, panel.domain, "start", 15);
  for (std::uint64_t v = 0; v <= ceiling; v += step) {
    const double y = bottom - static_cast<double>(v) * scale;
    out += line(kLeft, y, kWidth - kRight, y, v ? "#dddddd" : "#333333");
    out += label(kLeft - 8, y + 4, std::to_string(v), "end");
  }
  const std::size_t n = panel.counts.size(), every = std::max<std::size_t>(1, (n + 7) / 8);
  const double dx = width / static_cast<double>(std::max<std::size_t>(n, 1));
  for (std::size_t i = 0; i < n; i += every) {
    const double x = kLeft + dx * (static_cast<double>(i) + 0.5);
    out += line(x, bottom, x, bottom + 5, "#333333");
    out += label(x, bottom + 19,
                 when(graph.from_s + graph.bucket_s * static_cast<std::int64_t>(i), graph.bucket_s >= 86400), "middle");
  }
  for (const std::size_t kind : {2, 0, 1}) out += series(panel, kind, kLeft, dx, bottom, scale);
  return out;
}

std::string bucket_name(std::int64_t seconds, bool japanese) {
  if (seconds % 86400 == 0) {
    const auto days = seconds / 86400;
    if (days == 1) return japanese ? "一日" : "day";
    return std::to_string(days) + (japanese ? " 日" : " days");
  }
  if (seconds == 3600) return japanese ? "一時間" : "hour";
  return std::to_string(seconds / 3600) + (japanese ? " 時間" : " hours");
}

}  // namespace

std::string draw(const Graph& graph) {
  const int height = kTop + kPanel * static_cast<int>(graph.panels.size()) + kBottom - 30;
  std::string out = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" + std::to_string(kWidth) + "\" height=\"" +
                    std::to_string(height) + "\" viewBox=\"0 0 " + std::to_string(kWidth) + " " +
                    std::to_string(height) +
                    "\" font-family=\"'Noto Sans CJK JP','Noto Sans',sans-serif\" fill=\"#222222\" role=\"img\">\n"
                    "<title>Forged and proven mail over time / なりすましと証明されたメールの推移</title>\n"
                    "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n";
  double x = kLeft;
  for (std::size_t kind = 0; kind < 3; ++kind) {
    out += "<line x1=\"" + number(x) + "\" y1=\"20\" x2=\"" + number(x + 34) +
           "\" y2=\"20\" stroke-width=\"2.5\" stroke=\"" + kStyles[kind].colour + "\" stroke-dasharray=\"" +
           kStyles[kind].dash + "\"/>\n" + mark(kind, x + 17, 20);
    out += label(x + 42, 25, std::string(kStyles[kind].name_en) + " / " + kStyles[kind].name_ja);
    x += 210;
  }
  double top = kTop + 10;
  for (const auto& panel : graph.panels) {
    out += draw_panel(graph, panel, top);
    top += kPanel;
  }
  out += label(kLeft, height - 12,
               "time (UTC) / 時刻 (UTC)      vertical: mails per " + bucket_name(graph.bucket_s, false) +
                   " / 縦軸: " + bucket_name(graph.bucket_s, true) + "あたりのメール数");
  return out + "</svg>\n";
}

}  // namespace sekisho::cmd
