#pragma once
// Commands on live state: the JSON answer of serve (or of the store, when nobody serves), checked for its error.
#include <boost/json.hpp>
#include <optional>
#include <string>

namespace sekisho::cmd {

// Prints what went wrong and gives nothing; else the answer object.
std::optional<boost::json::object> ask_live(const std::string& command, const std::string& config_file,
                                            boost::json::object request);
std::string who_asks();  // the login name of this process
// "30m", "24h", "7d", "90s" or plain seconds; nothing when it is none of these.
std::optional<std::int64_t> duration_s(const std::string& text);
// Epoch seconds, "2026-11-24" or "2026-11-24 05:00[:00]" (UTC), or "-2h" (ago); microseconds since the epoch.
std::optional<std::int64_t> time_us(const std::string& text);
// The time of an option into a query, unless it was left out; "" or what is wrong with it.
std::string put_time(boost::json::object& query, const char* key, const std::string& text);

}  // namespace sekisho::cmd
