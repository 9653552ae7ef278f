#include "cmd/survey_show.h"

#include <boost/json.hpp>
#include <cstdio>

#include "cmd/columns.h"
#include "cmd/present.h"

namespace sekisho::cmd {
namespace {

using survey::Table;

double percent(std::uint64_t n, std::uint64_t of) {
  return of ? 100.0 * static_cast<double>(n) / static_cast<double>(of) : 0;
}

std::string format(const char* how, double value) {
  char out[64];
  std::snprintf(out, sizeof out, how, value);
  return out;
}

constexpr std::size_t kTitle = 16, kNumber = 14;

std::string table_text(const Table& table) {
  const auto rows = survey_rows(table);
  std::string out = left("", 2 * kTitle), below = "\n" + left("", 2 * kTitle);
  for (const auto& row : rows) out += right(row.name, kNumber), below += right(row.name_ja, kNumber);
  out += below;
  const auto line = [&](std::string_view title, std::string_view title_ja, auto value) {
    out += "\n" + left(title, kTitle) + left(title == title_ja ? "" : title_ja, kTitle);
    for (const auto& row : rows) out += right(value(*row.counts), kNumber);
  };
  line("names", "名前", [](const Table::Row& r) { return std::to_string(r.names); });
  line("answered", "応答あり", [](const Table::Row& r) { return std::to_string(r.answered()); });
  line("failed", "失敗", [](const Table::Row& r) { return std::to_string(r.failed); });
  line("no such name", "存在しない",
       [](const auto& r) { return std::to_string(r.count(survey::Field::kName, "nxdomain")); });
  for (const auto& m : survey::measures())
    line(m.title, m.title_ja, [&m](const Table::Row& r) { return format("%.3f %%", percent(m.of(r), r.answered())); });
  return out + "\n";
}

boost::json::object row_json(const Table::Row& row) {
  boost::json::object columns, shares;
  for (std::size_t f = 0; f < survey::kFields; ++f) {
    const auto field = static_cast<survey::Field>(f);
    boost::json::object values;
    for (std::size_t v = 0; v < survey::words(field).size(); ++v)
      if (row.counts[f][v]) values[survey::words(field)[v]] = row.counts[f][v];
    columns[survey::word(field)] = values;
  }
  for (const auto& m : survey::measures()) shares[m.title] = percent(m.of(row), row.answered());
  return {{"names", row.names},   {"asked", row.asked}, {"answered", row.answered()},
          {"failed", row.failed}, {"columns", columns}, {"percent", shares}};
}

const survey::Measure& measure(std::string_view title) {
  for (const auto& m : survey::measures())
    if (m.title == title) return m;
  return survey::measures().front();
}

// Of .jp where there are such names: the first row of the history speaks of them.
const Table::Row& compared(const Table& table) { return table.jp.names ? table.jp : table.all; }

std::string csv_field(std::string_view text) {
  if (text.find_first_of(",\"\n") == text.npos) return std::string(text);
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

}  // namespace

std::string SurveyRun::when() const { return utc_text(started_s, "%Y-%m-%d"); }

std::vector<SurveyRow> survey_rows(const Table& table) {
  std::vector<SurveyRow> out;
  for (std::size_t c = 0; c < survey::kClasses; ++c) {
    const auto one = static_cast<survey::Class>(c);
    if (table.rows[c].names) out.push_back({survey::word(one), survey::word_ja(one), &table.rows[c]});
  }
  if (table.jp.names) out.push_back({"all .jp", ".jp 全体", &table.jp});
  out.push_back({"all", "全体", &table.all});
  return out;
}

std::string survey_text(const SurveyView& view) {
  std::string out = table_text(view.run.table) + "\n" + left("over time", kTitle) + left("推移", kTitle);
  for (const char* title : {"SPF", "DomainKeys", "DMARC"}) out += right(title, kNumber);
  for (const auto& past : survey::history()) {
    out += "\n" + left(past.when, kTitle) + left(past.scope, kTitle) +
           right(format("%.3f %%", past.spf_percent), kNumber) +
           right(format("%.3f %%", past.domainkeys_percent), kNumber) + right("-", kNumber) + "  " +
           std::string(past.source) + "  " + std::string(past.source_ja);
  }
  std::vector<const SurveyRun*> runs;
  for (const auto& run : view.earlier) runs.push_back(&run);
  runs.push_back(&view.run);
  for (const auto* run : runs) {
    const auto& row = compared(run->table);
    out += "\n" + left(run->when(), kTitle) + left(run->table.jp.names ? ".jp" : "all 全体", kTitle);
    for (const char* title : {"SPF", "DomainKeys", "DMARC"})
      out += right(format("%.3f %%", percent(measure(title).of(row), row.answered())), kNumber);
    out += "  " + run->folder;
  }
  return out + "\n";
}

boost::json::object survey_json(const SurveyView& view) {
  boost::json::array classes, garbage, past, earlier;
  for (const auto& [name, name_ja, row] : survey_rows(view.run.table)) {
    auto one = row_json(*row);
    one["class"] = name;
    classes.push_back(std::move(one));
  }
  for (const auto& g : view.garbage) garbage.push_back({{"line", g.line}, {"text", utf8(g.text)}});
  for (const auto& p : survey::history())
    past.push_back({{"when", p.when},
                    {"scope", p.scope},
                    {"spf_percent", p.spf_percent},
                    {"domainkeys_percent", p.domainkeys_percent},
                    {"source", {{"en", p.source}, {"ja", p.source_ja}}}});
  for (const auto& run : view.earlier) {
    auto one = row_json(run.table.all);
    one["when"] = run.when();
    one["folder"] = utf8(run.folder);
    earlier.push_back(std::move(one));
  }
  const auto& all = view.run.table.all;
  return {{"folder", utf8(view.run.folder)},
          {"when", view.run.when()},
          {"questions", utf8(view.run.plan)},
          {"names", all.names},
          {"asked", all.asked},
          {"answered", all.answered()},
          {"failed", all.failed},
          {"done", all.asked == all.names},
          {"duplicates", view.duplicates},
          {"garbage_lines", view.garbage_count},
          {"garbage", garbage},
          {"classes", classes},
          {"history", past},
          {"earlier", earlier}};
}

std::string survey_csv(const SurveyView& view) {
  std::string out = "class,names,answered,failed";
  for (const auto& m : survey::measures()) out += "," + csv_field(m.title) + "," + csv_field(m.title) + " percent";
  for (const auto& [name, name_ja, row] : survey_rows(view.run.table)) {
    out += "\n" + csv_field(name) + "," + std::to_string(row->names) + "," + std::to_string(row->answered()) + "," +
           std::to_string(row->failed);
    for (const auto& m : survey::measures())
      out += "," + std::to_string(m.of(*row)) + "," + format("%.4f", percent(m.of(*row), row->answered()));
  }
  return out + "\n";
}

std::string survey_names(const std::vector<std::string>& names, const std::vector<survey::Facts>& facts) {
  std::string out = "domain,class,tries";
  for (std::size_t f = 0; f < survey::kFields; ++f)
    out += "," + std::string(survey::word(static_cast<survey::Field>(f)));
  for (std::size_t i = 0; i < names.size() && i < facts.size(); ++i) {
    out += "\n" + names[i] + "," + std::string(survey::word(survey::class_of(names[i]))) + "," +
           std::to_string(facts[i].tries);
    for (std::size_t f = 0; f < survey::kFields; ++f)
      out += "," + std::string(survey::words(static_cast<survey::Field>(f))[facts[i].values[f]]);
  }
  return out + "\n";
}

}  // namespace sekisho::cmd
