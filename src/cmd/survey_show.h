#pragma once
// A finished or half-finished survey as people and programs see it.
#include <boost/json/object.hpp>
#include <string>
#include <vector>

#include "service/survey/survey.h"
#include "service/survey/table.h"

namespace sekisho::cmd {

struct SurveyRun {
  std::string folder;
  std::int64_t started_s = 0;
  std::string plan;
  survey::Table table;
  std::string when() const;  // "2026-11-24"
};
struct SurveyView {
  SurveyRun run;
  std::vector<SurveyRun> earlier;  // --compare, oldest first
  std::vector<survey::List::Garbage> garbage;
  std::size_t garbage_count = 0, duplicates = 0;
};

// Every class that has names, then .jp as a whole and all.
struct SurveyRow {
  std::string_view name, name_ja;
  const survey::Table::Row* counts;
};
std::vector<SurveyRow> survey_rows(const survey::Table& table);

std::string survey_text(const SurveyView& view);
boost::json::object survey_json(const SurveyView& view);
std::string survey_csv(const SurveyView& view);   // one line a class
std::string survey_page(const SurveyView& view);  // HTML, in itself whole
std::string survey_names(const std::vector<std::string>& names, const std::vector<survey::Facts>& facts);  // CSV

}  // namespace sekisho::cmd
