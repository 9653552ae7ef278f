#pragma once
// The command line of one subcommand. Options are declared, then parse() fills them. Usage errors say what was wrong
// and how the help is reached, and exit with 2. octets() options take any value at all - empty, with spaces, beginning
// with '-'.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sekisho::cmd {

class Cli {
 public:
  // examples: whole lines as one would type them, shown below the options.
  Cli(std::string name, std::string description, std::string examples = "");
  ~Cli();
  Cli(Cli&&) noexcept;

  void text(const std::string& name, std::string& into, const std::string& help, bool required = false);
  void texts(const std::string& name, std::vector<std::string>& into,
             const std::string& help);  // one value each time it is given
  void octets(const std::string& name, std::optional<std::string>& into, const std::string& help);
  void octets(const std::string& name, std::vector<std::string>& into, const std::string& help);
  void number(const std::string& name, std::int64_t& into, std::int64_t least, std::int64_t most,
              const std::string& help);
  void flag(const std::string& name, bool& into, const std::string& help);
  void choice(const std::string& name, std::string& into, const std::vector<std::string>& words,
              const std::string& help);
  void positional(const std::string& name, std::string& into, const std::string& help, bool required = true);
  void rest(const std::string& name, std::vector<std::string>& into, const std::string& help, bool required = false);

  // Nothing: go on. A number: the exit status (0 after --help, 2 after a usage error).
  std::optional<int> parse(std::vector<std::string> arguments);
  // For errors found later: prints "sekisho NAME: text" on stderr and gives 2.
  int usage_error(const std::string& text) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

using Arguments = std::vector<std::string>;

}  // namespace sekisho::cmd
