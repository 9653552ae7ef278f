#include <algorithm>
#include <cstdio>
#include <string_view>

#include "cmd/commands.h"

namespace {

using sekisho::cmd::Arguments;

struct Command {
  std::string_view name, summary;
  int (*run)(const Arguments&);
};

constexpr Command kCommands[] = {
    {"serve", "stand at the checkpoint: the mx gate and all services", sekisho::cmd::serve},
    {"reload", "make the running server read its config again", sekisho::cmd::reload},
    {"config", "check a config file, explain its keys", sekisho::cmd::config},
    {"check", "judge one message as the gate would, without taking it", sekisho::cmd::check},
    {"spf", "evaluate SPF, show a domain's record", sekisho::cmd::spf},
    {"senderid", "evaluate Sender ID, show which records speak", sekisho::cmd::senderid},
    {"domainkeys", "verify or sign a message with DomainKeys, show a policy", sekisho::cmd::domainkeys},
    {"dkim", "verify or sign a message with DKIM, show a key", sekisho::cmd::dkim},
    {"arc", "verify a chain of ARC seals, seal a message, show the keys", sekisho::cmd::arc},
    {"smime", "verify the S/MIME signature of a message", sekisho::cmd::smime},
    {"dmarc", "show a domain's DMARC policy and organizational domain", sekisho::cmd::dmarc},
    {"authres", "parse an Authentication-Results field", sekisho::cmd::authres},
    {"srs", "rewrite return paths for forwarding and back (SRS), keep its secrets", sekisho::cmd::srs},
    {"record", "lint or build the records a domain publishes, try them on past mail", sekisho::cmd::record},
    {"graph", "forged versus proven mail of a domain over time, as SVG", sekisho::cmd::graph},
    {"init", "three steps to join: what to publish, verify and sign, line by line", sekisho::cmd::init},
    {"mediate", "explain what is done to a mail on its way out, and what survives", sekisho::cmd::mediate},
    {"trace", "who sent this, and what became of it?", sekisho::cmd::trace},
    {"ledger", "verify or show the ledger", sekisho::cmd::ledger},
    {"replay", "judge a whole mailbox and print the tables", sekisho::cmd::replay},
    {"allow", "let a subject pass for a while", sekisho::cmd::allow},
    {"deny", "refuse a subject for a while", sekisho::cmd::deny},
    {"bypass", "switch all refusals off or on again", sekisho::cmd::bypass},
    {"receipt", "open the receipt code of a refusal", sekisho::cmd::receipt},
    {"doctor", "look at DNS, certificates, machine and next hops; say what to change", sekisho::cmd::doctor},
    {"survey", "what a list of domains publishes for its mail", sekisho::cmd::survey},
    {"lab", "send the lab's mails or a mailbox through the gate", sekisho::cmd::lab},
};

void help(std::FILE* to) {
  std::fputs(
      "Sekisho (関所): a checkpoint for mail.\nusage: sekisho COMMAND [options]   (sekisho COMMAND --help tells "
      "more)\n\n",
      to);
  for (const auto& c : kCommands)
    std::fprintf(to, "  %-10.*s %.*s\n", static_cast<int>(c.name.size()), c.name.data(),
                 static_cast<int>(c.summary.size()), c.summary.data());
  std::fputs("\nExit status: 0 done, 1 the answer is a failure, 2 usage or input error, 3 temporary.\n", to);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view name = argc > 1 ? argv[1] : "";
  if (name == "--help" || name == "-h" || name == "help") return help(stdout), 0;
  if (name == "--version") return std::puts("sekisho " SEKISHO_VERSION), 0;
  const auto* command =
      std::find_if(std::begin(kCommands), std::end(kCommands), [&](const Command& c) { return c.name == name; });
  if (command == std::end(kCommands)) {
    if (!name.empty()) std::fprintf(stderr, "sekisho: there is no command '%s'\n\n", argv[1]);
    return help(stderr), 2;
  }
  return command->run(Arguments(argv + 2, argv + argc));
}
