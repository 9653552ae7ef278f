// sekisho config check FILE | explain [KEY]
#include <boost/json.hpp>
#include <cstdio>

#include "base/config/config.h"
#include "cmd/commands.h"
#include "cmd/present.h"
#include "cmd/settings.h"
#include "cmd/tables.h"

namespace sekisho::cmd {

namespace {

std::string_view kind_word(config::Kind kind) {
  switch (kind) {
    case config::Kind::kBool:
      return "true|false";
    case config::Kind::kInt:
      return "number";
    case config::Kind::kText:
      return "text";
    case config::Kind::kTexts:
      return "list of texts";
    case config::Kind::kPath:
      return "path";
    case config::Kind::kEndpoint:
      return "address:port";
    case config::Kind::kEndpoints:
      return "list of address:port";
  }
  return "";
}

std::string default_text(const config::Option& o) {
  if (o.fallback == "!") return "(must be given)";
  if (o.fallback.empty()) return "(not set)";
  if (o.kind == config::Kind::kInt) return config::with_unit(std::atoll(std::string(o.fallback).c_str()), o.unit);
  return std::string(o.fallback);
}

void print(const config::Option& o) {
  std::printf("%.*s\n  %.*s\n  %.*s\n  type: %s", int(o.key.size()), o.key.data(), int(o.meaning.size()),
              o.meaning.data(), int(o.meaning_ja.size()), o.meaning_ja.data(), std::string(kind_word(o.kind)).c_str());
  if (!o.allowed.empty()) std::printf("   allowed: %.*s", int(o.allowed.size()), o.allowed.data());
  if (!o.unit.empty()) std::printf("   unit: %.*s", int(o.unit.size()), o.unit.data());
  std::printf("   default: %s\n", default_text(o).c_str());
  if (o.at_start) std::printf("  a change needs a restart\n  変更には再起動が必要\n");
}

boost::json::object option_json(const config::Option& o) {
  return {{"key", o.key},
          {"type", kind_word(o.kind)},
          {"allowed", o.allowed},
          {"unit", o.unit},
          {"default", o.fallback == "!" ? boost::json::value(nullptr) : boost::json::value(o.fallback)},
          {"required", o.fallback == "!"},
          {"reload", !o.at_start},
          {"meaning", {{"en", o.meaning}, {"ja", o.meaning_ja}}}};
}

int explain(const std::string& key, bool json) {
  const auto& table = option_table();
  std::vector<const config::Option*> found;
  for (const auto& o : table.rows())
    if (key.empty() || o.key == key || o.key.substr(0, key.size() + 1) == key + "." ||
        o.key.substr(0, key.size() + 3) == key + "[].")
      found.push_back(&o);
  if (found.empty()) {
    std::fprintf(stderr, "sekisho config: there is no key %s", key.c_str());
    for (const auto near : table.nearest(key)) std::fprintf(stderr, "; did you mean %s?", std::string(near).c_str());
    std::fputs("\n", stderr);
    return 2;
  }
  if (json) {
    boost::json::array all;
    for (const auto* o : found) all.push_back(option_json(*o));
    print_json(all);
    return 0;
  }
  for (const auto* o : found) print(*o);
  return 0;
}

int check_file(const std::string& file, bool json) {
  const auto settings = load_settings(file);
  std::vector<config::Problem> problems, warnings;
  if (settings)
    warnings = settings->warnings;
  else
    problems = settings.error();
  tell_warnings(warnings);
  tell_problems(problems);
  if (json)
    print_json(boost::json::object{{"file", file},
                                   {"ok", settings.ok()},
                                   {"problems", problems_json(problems)},
                                   {"warnings", problems_json(warnings)}});
  if (!settings) return 1;
  if (!json) std::printf("%s: good\n", file.c_str());
  return 0;
}

}  // namespace

int config(const Arguments& arguments) {
  std::string verb, subject, file;
  bool json = false;
  Cli cli("config",
          "check FILE: reads it as serve would. explain [KEY]: meaning, unit, allowed values and default of each key.",
          "  sekisho config check /etc/sekisho/sekisho.toml\n  sekisho config explain mx.message_bytes\n  sekisho "
          "config explain policy");
  cli.positional("VERB", verb, "check or explain");
  cli.positional("SUBJECT", subject, "a file (check), a key or the beginning of keys (explain)", false);
  cli.text("-c,--config", file, "the file to check (the same as SUBJECT)");
  cli.flag("--json", json, "one JSON document on standard output");
  if (const auto status = cli.parse(arguments)) return *status;
  if (verb == "explain") return explain(subject, json);
  if (verb != "check") return cli.usage_error("there is no verb '" + verb + "': check or explain");
  if (file.empty()) file = subject;
  if (file.empty()) return cli.usage_error("check needs a file");
  return check_file(file, json);
}

}  // namespace sekisho::cmd
