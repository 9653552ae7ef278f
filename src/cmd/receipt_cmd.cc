// sekisho receipt CODE
#include <boost/json.hpp>
#include <cstdio>

#include "cmd/commands.h"
#include "cmd/live.h"
#include "cmd/present.h"

namespace sekisho::cmd {

int receipt(const Arguments& arguments) {
  std::string code, file;
  bool json = false;
  Cli cli("receipt",
          "Opens the code that stands in brackets in a refusal: when, at which stage and why. Nothing of the mail is "
          "in it.",
          "  sekisho receipt -c sekisho.toml abcd...");
  cli.positional("CODE", code, "the 40 characters");
  cli.text("-c,--config", file, "the config file of the server", true);
  cli.flag("--json", json, "one JSON document on standard output");
  if (const auto status = cli.parse(arguments)) return *status;
  const auto answer = ask_live("receipt", file, {{"verb", "receipt"}, {"code", utf8(code)}});
  if (!answer) return 2;
  const bool opened = answer->at("opened").as_bool();
  if (json) {
    print_json(*answer);
    return opened ? 0 : 1;
  }
  if (!opened) return std::printf("%s\n", std::string(answer->at("error").as_string()).c_str()), 1;
  const auto text = [&](const char* key) {
    return answer->at(key).is_string() ? std::string(answer->at(key).as_string())
                                       : std::string("(unknown to this version)");
  };
  std::printf("%s  %s at %s: %s\n", text("time").c_str(), text("action").c_str(), text("stage").c_str(),
              text("reason").c_str());
  if (const auto* t = answer->if_contains("text"))
    std::printf("  %s\n  %s\n", std::string(t->at("en").as_string()).c_str(),
                std::string(t->at("ja").as_string()).c_str());
  return 0;
}

}  // namespace sekisho::cmd
