#include "cmd/past.h"

#include <algorithm>
#include <boost/json.hpp>

#include "cmd/live.h"
#include "cmd/present.h"

namespace sekisho::cmd {

std::string member_text(const boost::json::object& o, std::string_view key) {
  const auto* value = o.if_contains(key);
  return value && value->is_string() ? std::string(value->as_string()) : std::string();
}

PastRead each_decided(const PastQuery& q, const std::function<void(const boost::json::object&, std::int64_t)>& take) {
  constexpr int kPagesMax = 20;
  constexpr std::int64_t kPage = 10'000;
  std::int64_t to_us = q.to_us;
  for (int page = 0; page < kPagesMax; ++page) {
    boost::json::object request{{"verb", "trace"},          {"reason", utf8(q.reason)}, {"by_whom", who_asks()},
                                {"domain", utf8(q.domain)}, {"from_us", q.from_us},     {"limit", kPage}};
    if (to_us != INT64_MAX) request["to_us"] = to_us;
    const auto answer = ask_live(q.command, q.config_file, request);
    if (!answer) return PastRead::kFailed;
    std::int64_t oldest_us = to_us;
    for (const auto& story : answer->at("stories").as_array()) {
      for (const auto& event : story.as_object().at("events").as_array()) {
        const auto& object = event.as_object();
        const auto* at = object.if_contains("time_us");
        if (!at || !at->is_int64()) continue;
        oldest_us = std::min(oldest_us, at->as_int64());
        const bool came_in = member_text(object, "event") == "decided" && member_text(object, "road") != "outbound";
        if (came_in) take(object, at->as_int64());
      }
    }
    if (!answer->at("more").as_bool() || oldest_us <= q.from_us || oldest_us == to_us) return PastRead::kAll;
    to_us = oldest_us - 1;
  }
  return PastRead::kCut;
}

}  // namespace sekisho::cmd
