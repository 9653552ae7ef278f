#pragma once
// Days are counted from 1970-01-01 UTC and written "2026-11-24".
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sekisho::store {

constexpr std::int64_t kDayUs = 86'400'000'000;
std::int32_t day_of(std::int64_t time_us);
std::string day_text(std::int32_t day);
std::optional<std::int32_t> parse_day(std::string_view text);

}  // namespace sekisho::store
