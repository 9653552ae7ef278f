// The page: one table, a bar picture for each class, and the years side by side. No script, nothing fetched.
#include <algorithm>
#include <cstdio>

#include "cmd/survey_show.h"

namespace sekisho::cmd {
namespace {

using survey::Table;

std::string escape(std::string_view text) {
  std::string out;
  for (const char c : text)
    out += c == '<' ? "&lt;" : c == '>' ? "&gt;" : c == '&' ? "&amp;" : c == '"' ? "&quot;" : std::string(1, c);
  return out;
}

std::string number(const char* how, double value) {
  char out[64];
  std::snprintf(out, sizeof out, how, value);
  return out;
}

double share(const survey::Measure& m, const Table::Row& row) {
  return row.answered() ? 100.0 * static_cast<double>(m.of(row)) / static_cast<double>(row.answered()) : 0;
}

std::string both(std::string_view en, std::string_view ja) {
  return en == ja ? escape(en) : escape(en) + " <span class=ja lang=ja>" + escape(ja) + "</span>";
}

std::string svg_text(double x, double y, std::string_view text, const char* more = "") {
  return "<text x='" + number("%.0f", x) + "' y='" + number("%.0f", y) + "' " + more + ">" + escape(text) + "</text>";
}

struct Bar {
  std::string title, note;
  double percent;
};

// Horizontal bars on a scale of 0 to 100 %.
std::string bars(const std::vector<Bar>& all, std::string_view label) {
  constexpr double kLeft = 150, kWidth = 420, kStep = 26;
  const double height = 24 + kStep * static_cast<double>(all.size());
  std::string out =
      "<svg viewBox='0 0 720 " + number("%.0f", height) + "' role='img' aria-label='" + escape(label) + "'>";
  for (int tick = 0; tick <= 100; tick += 25) {
    const double x = kLeft + kWidth * tick / 100;
    out += "<line class=grid x1='" + number("%.0f", x) + "' x2='" + number("%.0f", x) + "' y1='0' y2='" +
           number("%.0f", height - 18) + "'/>";
    out += svg_text(x, height - 4, std::to_string(tick) + " %", "class=tick text-anchor='middle'");
  }
  double y = 4;
  for (const auto& bar : all) {
    out += svg_text(kLeft - 8, y + 14, bar.title, "text-anchor='end'");
    out += "<rect x='" + number("%.0f", kLeft) + "' y='" + number("%.0f", y) + "' rx='2' height='18' width='" +
           number("%.2f", std::max(bar.percent, 0.15) * kWidth / 100) + "'/>";
    out += svg_text(kLeft + bar.percent * kWidth / 100 + 6, y + 14, number("%.3f %%", bar.percent) + bar.note);
    y += kStep;
  }
  return out + "</svg>";
}

constexpr std::string_view kStyle =
    "body{font:16px/1.5 system-ui,'Noto Sans CJK JP',sans-serif;margin:2rem auto;max-width:70rem;padding:0 "
    "1rem;color:#1d2733;"
    "background:#fbfaf7}h1{font-size:1.7rem}h2{font-size:1.15rem;margin-top:2.2rem}.ja{color:#5b6b7a}"
    "table{border-collapse:collapse;font-variant-numeric:tabular-nums;width:100%}th,td{white-space:nowrap;padding:."
    "25rem "
    ".6rem;text-align:right;"
    "border-bottom:1px solid #ddd8cc}th:first-child,td:first-child{text-align:left}thead th{border-bottom:2px solid "
    "#1d2733}"
    ".scroll{overflow-x:auto}.grid2{display:grid;grid-template-columns:repeat(auto-fit,minmax(28rem,1fr));gap:1rem "
    "2rem}"
    "svg{width:100%;height:auto}svg text{font-size:13px;fill:#1d2733}svg .tick{font-size:11px;fill:#5b6b7a}svg "
    "rect{fill:#2f6f8f}"
    ".grid{stroke:#ddd8cc}";

std::string page_table(const std::vector<SurveyRow>& rows) {
  std::string out = "<div class=scroll><table><thead><tr><th></th>";
  for (const auto& row : rows) out += "<th>" + both(row.name, row.name_ja) + "</th>";
  out += "</tr></thead><tbody>";
  const auto line = [&](const std::string& title, auto value) {
    out += "<tr><td>" + title + "</td>";
    for (const auto& row : rows) out += "<td>" + value(*row.counts) + "</td>";
    out += "</tr>";
  };
  line(both("names", "名前"), [](const Table::Row& r) { return std::to_string(r.names); });
  line(both("answered", "応答あり"), [](const Table::Row& r) { return std::to_string(r.answered()); });
  line(both("failed", "失敗"), [](const Table::Row& r) { return std::to_string(r.failed); });
  for (const auto& m : survey::measures())
    line(both(m.title, m.title_ja), [&m](const Table::Row& r) { return number("%.3f %%", share(m, r)); });
  return out + "</tbody></table></div>";
}

std::string years(const SurveyView& view) {
  std::string out = "<div class=grid2>";
  for (const std::string_view title : {"SPF", "DomainKeys", "DMARC", "DKIM"}) {
    std::vector<Bar> found;
    for (const auto& past : survey::history())
      if (title == "SPF" || title == "DomainKeys")
        found.push_back({std::string(past.when), " (" + std::string(past.scope) + ")",
                         title == "SPF" ? past.spf_percent : past.domainkeys_percent});
    const auto add = [&](const SurveyRun& run) {
      for (const auto& m : survey::measures())
        if (m.title == title)
          found.push_back({run.when(), run.table.jp.names ? " (.jp)" : "",
                           share(m, run.table.jp.names ? run.table.jp : run.table.all)});
    };
    for (const auto& run : view.earlier) add(run);
    add(view.run);
    out += "<div><h3>" + escape(title) + "</h3>" + bars(found, title) + "</div>";
  }
  out += "</div><p>";
  for (const auto& past : survey::history()) out += escape(past.when) + ": " + both(past.source, past.source_ja) + ". ";
  return out + "</p>";
}

}  // namespace

std::string survey_page(const SurveyView& view) {
  const Table& t = view.run.table;
  const auto rows = survey_rows(t);
  std::string out =
      "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
      "<title>Sender authentication survey " +
      view.run.when() + "</title><style>" + std::string(kStyle) + "</style><h1>" +
      both("Sender authentication survey", "送信者認証の普及調査") + " " + view.run.when() + "</h1><p>" +
      std::to_string(t.all.names) + " " + both("names", "名前") + ", " + std::to_string(t.all.answered()) + " " +
      both("answered", "応答あり") + ", " + std::to_string(t.all.failed) + " " + both("failed", "失敗") + "; " +
      std::to_string(view.duplicates) + " " + both("duplicates", "重複") + ", " + std::to_string(view.garbage_count) +
      " " + both("unreadable lines", "読めない行") + ".</p>";
  out += "<h2>" + both("Over time", "推移") + "</h2>" + years(view);
  out += "<h2>" + both("By kind of name", "名前の種類別") + "</h2><div class=grid2>";
  for (const std::string_view title : {"SPF", "DKIM", "DMARC", "p=reject", "MTA-STS", "TLS-RPT"}) {
    std::vector<Bar> found;
    for (const auto& m : survey::measures())
      if (m.title == title)
        for (const auto& row : rows) found.push_back({std::string(row.name), "", share(m, *row.counts)});
    out += "<div><h3>" + escape(title) + "</h3>" + bars(found, title) + "</div>";
  }
  out +=
      "</div><h2>" + both("All shares of answered names", "応答のあった名前に占める割合") + "</h2>" + page_table(rows);
  return out + "</html>\n";
}

}  // namespace sekisho::cmd
