#pragma once
// The decided mails of a domain in the ledger, newest first, page by page. What egress sent out was judged by nobody
// and is left out.
#include <boost/json/fwd.hpp>
#include <cstdint>
#include <functional>
#include <string>

namespace sekisho::cmd {

struct PastQuery {
  std::string command, config_file, domain, reason;  // domain: of the envelope sender, of the author, or proven
  std::int64_t from_us = 0, to_us = INT64_MAX;
};
enum class PastRead : unsigned char { kAll, kCut, kFailed };  // kFailed has been told on stderr
// Gives the "decided" event as trace shows it. kCut: there are more than 200,000 stories.
PastRead each_decided(const PastQuery& query,
                      const std::function<void(const boost::json::object&, std::int64_t)>& take);
std::string member_text(const boost::json::object& o, std::string_view key);  // "" when it is not there or no text

}  // namespace sekisho::cmd
