#include "cmd/live.h"

#include <pwd.h>
#include <unistd.h>

#include <cstdio>
#include <ctime>

#include "base/core/clock.h"
#include "base/core/text.h"
#include "cmd/control_desk.h"
#include "cmd/present.h"

namespace sekisho::cmd {

std::optional<boost::json::object> ask_live(const std::string& command, const std::string& config_file,
                                            boost::json::object request) {
  const auto answer = ask_serve(config_file, boost::json::serialize(request));
  std::string fault;
  if (!answer) {
    fault = answer.error();
  } else {
    boost::json::error_code wrong;
    const auto parsed = boost::json::parse(*answer, wrong);
    if (wrong || !parsed.is_object())
      fault = "the server's answer cannot be read";
    else if (const auto* ok = parsed.as_object().if_contains("ok"); ok && ok->is_bool() && ok->as_bool())
      return parsed.as_object();
    else
      fault = std::string(parsed.as_object().at("error").as_string());
  }
  std::fprintf(stderr, "sekisho %s: %s\n", command.c_str(), fault.c_str());
  return {};
}

std::string who_asks() {
  const passwd* entry = ::getpwuid(::getuid());
  return entry ? entry->pw_name : std::to_string(::getuid());
}

std::optional<std::int64_t> duration_s(const std::string& text) {
  if (text.empty()) return {};
  static constexpr std::pair<char, std::int64_t> kUnits[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
  std::int64_t unit = 1;
  std::string digits = text;
  for (const auto& [letter, seconds] : kUnits)
    if (text.back() == letter) unit = seconds, digits.pop_back();
  const auto n = core::parse_uint(digits, 10ull * 365 * 86400);
  if (!n || *n == 0) return {};
  return static_cast<std::int64_t>(*n) * unit;
}

std::optional<std::int64_t> time_us(const std::string& text) {
  if (text.size() > 1 && text[0] == '-') {
    const auto ago = duration_s(text.substr(1));
    if (!ago) return {};
    return core::SystemClock().now_us() - *ago * 1'000'000;
  }
  if (const auto epoch = core::parse_uint(text, 253402300799ull)) return static_cast<std::int64_t>(*epoch) * 1'000'000;
  std::tm tm{};
  for (const char* form : {"%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d"}) {
    tm = {};
    const char* end = ::strptime(text.c_str(), form, &tm);
    if (end && *end == 0) return static_cast<std::int64_t>(::timegm(&tm)) * 1'000'000;
  }
  return {};
}

std::string put_time(boost::json::object& query, const char* key, const std::string& text) {
  if (text.empty()) return {};
  const auto at = time_us(text);
  if (!at) return "'" + text + "' is not a time: epoch seconds, 2026-11-24, '2026-11-24 05:00' or -2h";
  query[key] = *at;
  return {};
}

}  // namespace sekisho::cmd
