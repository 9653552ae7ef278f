// sekisho record VERB
#include <cstdio>

#include "cmd/commands.h"
#include "cmd/record.h"

namespace sekisho::cmd {

int record(const Arguments& arguments) {
  if (!arguments.empty() && arguments.front() == "lint")
    return record_lint(Arguments(arguments.begin() + 1, arguments.end()));
  if (!arguments.empty() && arguments.front() == "build")
    return record_build(Arguments(arguments.begin() + 1, arguments.end()));
  std::string verb;
  Cli cli("record", "What a domain publishes for its mail, looked at before strangers do.",
          "  sekisho record lint example.org\n  sekisho record build spf --domain example.org --mx --preset company\n  "
          "sekisho record build --help");
  cli.positional("VERB", verb, "lint or build, each with its own --help");
  if (const auto status = cli.parse(arguments)) return *status;
  return cli.usage_error("there is no verb '" + verb + "': lint or build");
}

}  // namespace sekisho::cmd
