#pragma once
// The story of one mail as `trace` shows it: JSON for programs, a page of text for people.
#include <boost/json/fwd.hpp>
#include <optional>
#include <string>

#include "trail/trail.h"

namespace sekisho::cmd {

boost::json::object to_json(const trail::Story& story);
// From the JSON, so that a story told by a running serve and one read from the store look the same.
std::string story_text(const boost::json::object& story);
std::string time_text(std::int64_t us);  // "2026-11-24 05:00:00.123 UTC"
// Of a request that anybody may have written: nothing where it is no whole number of 64 bits.
std::optional<std::int64_t> whole_number(const boost::json::value* value);
core::Result<trail::Query, std::string> query_of(const boost::json::object& query);

}  // namespace sekisho::cmd
