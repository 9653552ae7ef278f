#include "cmd/survey_show.h"

#include <boost/json.hpp>
#include <cstdio>

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

std::string right(std::string text, std::size_t width) {
  return text.size() < width ? std::string(width - text.size(), ' ') + text : text;
}

// Every class that has names, then .jp as a whole and all.
std::vector<std::pair<std::string, const Table::Row*>> rows_of(const Table& table) {
  std::vector<std::pair<std::string, const Table::Row*>> out;
  for (std::size_t c = 0; c < survey::kClasses; ++c)
    if (table.rows[c].names) out.emplace_back(survey::word(static_cast<survey::Class>(c)), &table.rows[c]);
  if (table.jp.names) out.emplace_back("all .jp", &table.jp);
  out.emplace_back("all", &table.all);
  return out;
}

std::string table_text(const Table& table) {
  const auto rows = rows_of(table);
  std::string out = right("", 14);
  for (const auto& [name, row] : rows) out += right(name, 13);
  const auto line = [&](std::string_view title, auto value) {
    out += "\n" + std::string(title) + std::string(title.size() < 14 ? 14 - title.size() : 0, ' ');
    for (const auto& [name, row] : rows) out += right(value(*row), 13);
  };
  line("names", [](const Table::Row& r) { return std::to_string(r.names); });
  line("answered", [](const Table::Row& r) { return std::to_string(r.answered()); });
  line("failed", [](const Table::Row& r) { return std::to_string(r.failed); });
  line("no such name", [](const Table::Row& r) { return std::to_string(r.count(survey::Field::kName, "nxdomain")); });
  for (const auto& m : survey::measures())
    line(m.title, [&m](const Table::Row& r) { return format("%.3f %%", percent(m.of(r), r.answered())); });
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

std::string survey_text(const SurveyView& view) {
  std::string out = table_text(view.run.table) + "\nover time (SPF, DomainKeys, DMARC)\n";
  for (const auto& past : survey::history())
    out += "  " + std::string(past.when) + "     " + right(format("%.3f %%", past.spf_percent), 10) +
           right(format("%.3f %%", past.domainkeys_percent), 12) + right("-", 12) + "  " + std::string(past.scope) +
           ", " + std::string(past.source) + "\n";
  std::vector<const SurveyRun*> runs;
  for (const auto& run : view.earlier) runs.push_back(&run);
  runs.push_back(&view.run);
  for (const auto* run : runs) {
    const auto& row = compared(run->table);
    out += "  " + run->when() + "  ";
    for (const char* title : {"SPF", "DomainKeys", "DMARC"})
      out += right(format("%.3f %%", percent(measure(title).of(row), row.answered())), out.ends_with("  ") ? 10 : 12);
    out += std::string(run->table.jp.names ? "  .jp, " : "  all, ") + run->folder + "\n";
  }
  return out;
}

boost::json::object survey_json(const SurveyView& view) {
  boost::json::array classes, garbage, past, earlier;
  for (const auto& [name, row] : rows_of(view.run.table)) {
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
  for (const auto& [name, row] : rows_of(view.run.table)) {
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
