// sekisho allow|deny SUBJECT --for 24h --why TEXT, sekisho bypass on|off
#include <boost/json.hpp>
#include <cstdio>

#include "cmd/commands.h"
#include "cmd/live.h"
#include "cmd/present.h"

namespace sekisho::cmd {

namespace {

int list(const std::string& file, bool json) {
  const auto answer = ask_live("allow", file, {{"verb", "overrides"}});
  if (!answer) return 2;
  if (json) {
    print_json(*answer);
    return 0;
  }
  for (const auto& e : answer->at("overrides").as_array())
    std::printf("%-6s %-40s until %s  %s\n", std::string(e.at("kind").as_string()).c_str(),
                std::string(e.at("subject").as_string()).c_str(), std::string(e.at("until").as_string()).c_str(),
                std::string(e.at("why").as_string()).c_str());
  std::printf("bypass is %s\n", answer->at("bypass").as_bool() ? "ON: nothing is refused by a verdict" : "off");
  return 0;
}

int change(const std::string& verb, const std::string& summary, const std::string& what, const std::string& examples,
           const Arguments& arguments) {
  std::string subject, duration = "24h", why, file;
  bool json = false;
  Cli cli(verb, summary, examples);
  cli.positional("SUBJECT", subject, what);
  cli.text("--for", duration, "how long: 90s, 30m, 24h, 7d");
  cli.text("--why", why, "the reason; it is recorded");
  cli.text("-c,--config", file, "the config file of the server", true);
  cli.flag("--json", json, "one JSON document on standard output");
  if (const auto status = cli.parse(arguments)) return *status;
  if (verb != "bypass" && subject == "list") return list(file, json);
  const auto seconds = duration_s(duration);
  if (!seconds) return cli.usage_error("--for: '" + duration + "' is not a duration, as in 30m, 24h or 7d");
  if (verb == "bypass" && subject != "on" && subject != "off")
    return cli.usage_error("'" + subject + "' is neither on nor off");
  if (why.empty() && subject != "off") return cli.usage_error("--why is missing: it goes into the ledger");
  const auto answer = ask_live(
      verb, file,
      {{"verb", verb}, {"subject", utf8(subject)}, {"for_s", *seconds}, {"why", utf8(why)}, {"by_whom", who_asks()}});
  if (!answer) return 2;
  if (json)
    print_json(*answer);
  else
    std::printf("%s %s%s\n", verb.c_str(), subject.c_str(),
                subject == "off" ? "" : (" until " + std::string(answer->at("until").as_string())).c_str());
  return 0;
}

}  // namespace

int allow(const Arguments& arguments) {
  return change("allow",
                "Lets a subject pass whatever the verdict says, for a while. 'allow list' shows what is in force.",
                "IP address, network, domain, address, or list",
                "  sekisho allow partner.example -c sekisho.toml --for 24h --why 'their DKIM is broken, ticket 7'\n  "
                "sekisho allow list -c sekisho.toml",
                arguments);
}
int deny(const Arguments& arguments) {
  return change("deny", "Refuses a subject for a while.", "IP address, network, domain, address, or list",
                "  sekisho deny 192.0.2.0/24 -c sekisho.toml --for 1h --why 'flood, ticket 8'", arguments);
}
int bypass(const Arguments& arguments) {
  return change(
      "bypass", "on: no verdict refuses anything until it ends or is switched off; relaying stays refused.",
      "on or off",
      "  sekisho bypass on -c sekisho.toml --for 30m --why 'resolver outage'\n  sekisho bypass off -c sekisho.toml",
      arguments);
}

}  // namespace sekisho::cmd
