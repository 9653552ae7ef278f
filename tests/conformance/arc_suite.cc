// Runs the JSON lines of arc.py against the room: arc_suite FILE.jsonl WANTED.
#include <boost/json.hpp>
#include <boost/json/src.hpp>
#include <cstdio>
#include <fstream>

#include "base/dns/zone.h"
#include "road/identity/arc/arc.h"

int main(int argc, char** argv) {
  using namespace sekisho;
  if (argc != 3) return 2;
  std::ifstream in(argv[1]);
  int cases = 0, passed = 0;
  for (std::string line; std::getline(in, line); ++cases) {
    const auto test = boost::json::parse(line).as_object();
    dns::Zone zone;
    zone.add_origin(".");
    for (const auto& [key, text] : test.at("records").as_object()) {
      dns::Name name;
      if (name.assign(key)) zone.add(name, dns::Type::kTxt, std::string(text.as_string()));
    }
    const auto resolver = dns::make_overlay(zone, nullptr);
    core::Budget budget;
    const auto message = mail::Message::parse(std::string(test.at("message").as_string()), budget);
    if (!message) {
      std::printf("DIFFERS %s: no message\n", test.at("id").as_string().c_str());
      continue;
    }
    const auto got = core::run_ready(arc::verify(**message, *resolver, {}, budget));
    const bool right = road::word(got.result) == std::string_view(test.at("cv").as_string());
    passed += right;
    if (!right)
      std::printf("DIFFERS %s: %s (%s)\n", test.at("id").as_string().c_str(),
                  std::string(road::word(got.result)).c_str(), got.reason.c_str());
  }
  std::printf("arc: %d of %d\n", passed, cases);
  return cases > 0 && passed >= std::stoi(argv[2]) ? 0 : 1;
}
