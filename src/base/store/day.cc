#include "base/store/day.h"

#include <chrono>
#include <cstdio>

#include "base/core/text.h"

namespace sekisho::store {

std::int32_t day_of(std::int64_t time_us) {
  return static_cast<std::int32_t>(std::chrono::floor<std::chrono::days>(std::chrono::microseconds(time_us)).count());
}

std::string day_text(std::int32_t day) {
  const std::chrono::year_month_day date{std::chrono::sys_days(std::chrono::days(day))};
  char text[32];
  std::snprintf(text, sizeof text, "%04d-%02u-%02u", static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                static_cast<unsigned>(date.day()));
  return text;
}

std::optional<std::int32_t> parse_day(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return {};
  const auto year = core::parse_uint(text.substr(0, 4)), month = core::parse_uint(text.substr(5, 2)),
             day = core::parse_uint(text.substr(8, 2));
  if (!year || !month || !day) return {};
  const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(*year)),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) return {};
  return static_cast<std::int32_t>(std::chrono::sys_days(date).time_since_epoch().count());
}

}  // namespace sekisho::store
