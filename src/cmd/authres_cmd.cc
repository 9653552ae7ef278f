// sekisho authres parse FIELD|-
#include <boost/json.hpp>
#include <cstdio>

#include "base/core/text.h"
#include "cmd/commands.h"
#include "cmd/files.h"
#include "cmd/present.h"
#include "road/identity/authres/authres.h"

namespace sekisho::cmd {

namespace {

constexpr const char* kErrors[] = {"too complex",
                                   "no authserv-id",
                                   "a comment or quoted string does not end",
                                   "a keyword must stand here",
                                   "an '=' must stand here",
                                   "something stands behind a value"};

boost::json::object header_json(const authres::Header& h) {
  boost::json::array results;
  for (const auto& r : h.results) {
    boost::json::array properties;
    for (const auto& p : r.properties)
      properties.push_back({{"ptype", p.ptype}, {"property", p.property}, {"value", utf8(p.value)}});
    results.push_back({{"method", r.method},
                       {"version", r.version},
                       {"result", r.result},
                       {"reason", utf8(r.reason)},
                       {"properties", properties}});
  }
  return {{"authserv_id", utf8(h.authserv_id)}, {"version", h.version ? h.version : 1}, {"results", results}};
}

void print(const authres::Header& h) {
  std::printf("%s\n", utf8(h.authserv_id).c_str());
  for (const auto& r : h.results) {
    std::printf("  %-10s %-10s %s\n", r.method.c_str(), r.result.c_str(), utf8(r.reason).c_str());
    for (const auto& p : r.properties)
      std::printf("    %s.%s = %s\n", p.ptype.c_str(), p.property.c_str(), utf8(p.value).c_str());
  }
}

}  // namespace

int authres(const Arguments& arguments) {
  std::string verb, path = "-";
  bool json = false;
  Cli cli("authres",
          "parse: reads an Authentication-Results field (RFC 8601), with or without its name, from a file or standard "
          "input.",
          "  echo 'Authentication-Results: mx.example.org; spf=pass smtp.mailfrom=example.net' | sekisho authres parse "
          "--json");
  cli.positional("VERB", verb, "parse");
  cli.positional("FILE", path, "a file with one field, or -", false);
  cli.flag("--json", json, "one JSON document on standard output");
  if (const auto status = cli.parse(arguments)) return *status;
  if (verb != "parse") return cli.usage_error("there is no verb '" + verb + "': parse");
  const auto octets = read_octets(path);
  if (!octets) return cli.usage_error(octets.error());
  std::string_view value = *octets;
  if (core::istarts_with(value, "Authentication-Results"))
    value.remove_prefix(std::min(value.find(':') + 1, value.size()));
  core::Budget budget;
  const auto parsed = authres::parse(core::trim_fws(value), budget);
  if (!parsed) {
    std::fprintf(stderr, "sekisho authres: offset %zu: %s\n", parsed.error().at,
                 kErrors[static_cast<std::size_t>(parsed.error().kind)]);
    if (json)
      print_json(boost::json::object{{"error", kErrors[static_cast<std::size_t>(parsed.error().kind)]},
                                     {"offset", parsed.error().at}});
    return 1;
  }
  if (json)
    print_json(header_json(*parsed));
  else
    print(*parsed);
  return 0;
}

}  // namespace sekisho::cmd
