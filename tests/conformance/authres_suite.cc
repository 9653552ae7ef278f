// Answers lines on stdin with lines on stdout, for authres.py: {"parse": VALUE} or {"format": HEADER}.
#include <boost/json.hpp>
#include <boost/json/src.hpp>
#include <iostream>
#include <string>

#include "road/identity/authres/authres.h"

namespace {

using namespace sekisho;
namespace json = boost::json;

json::value parsed(const std::string& text) {
  core::Budget budget;
  const auto header = authres::parse(text, budget);
  if (!header) return {{"error", static_cast<int>(header.error().kind)}, {"at", header.error().at}};
  json::array results;
  for (const auto& r : header->results) {
    json::array properties;
    for (const auto& p : r.properties)
      properties.push_back({{"ptype", p.ptype}, {"property", p.property}, {"value", p.value}, {"comment", p.comment}});
    results.push_back({{"method", r.method},
                       {"result", r.result},
                       {"reason", r.reason},
                       {"comment", r.comment},
                       {"properties", properties}});
  }
  return {{"authserv_id", header->authserv_id},
          {"version", header->version},
          {"comment", header->comment},
          {"results", results}};
}

std::string text_of(const json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  return value && value->is_string() ? std::string(value->as_string()) : std::string();
}

json::value formatted(const json::object& object) {
  authres::Header header;
  header.authserv_id = text_of(object, "authserv_id");
  header.comment = text_of(object, "comment");
  header.version = static_cast<unsigned>(object.at("version").as_int64());
  for (const auto& row : object.at("results").as_array()) {
    const auto& r = row.as_object();
    authres::MethodResult result{text_of(r, "method"), text_of(r, "result"), text_of(r, "reason")};
    result.comment = text_of(r, "comment");
    for (const auto& item : r.at("properties").as_array()) {
      const auto& p = item.as_object();
      result.properties.push_back(
          {text_of(p, "ptype"), text_of(p, "property"), text_of(p, "value"), text_of(p, "comment")});
    }
    header.results.push_back(std::move(result));
  }
  return json::value(authres::format(header));
}

}  // namespace

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    const auto asked = json::parse(line).as_object();
    if (const auto* text = asked.if_contains("parse"))
      std::cout << json::serialize(parsed(std::string(text->as_string()))) << std::endl;
    else
      std::cout << json::serialize(formatted(asked.at("format").as_object())) << std::endl;
  }
}
