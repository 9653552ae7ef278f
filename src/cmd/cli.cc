#include "cmd/cli.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <map>

#include "base/core/text.h"

namespace sekisho::cmd {

struct Cli::Impl {
  CLI::App app;
  std::string name;
  std::map<std::string, std::optional<std::string>*> one;
  std::map<std::string, std::vector<std::string>*> many;
  std::string ignored;  // CLI11 shows octets() options in the help; their values never reach it
};

Cli::Cli(std::string name, std::string description, std::string examples) : impl_(std::make_unique<Impl>()) {
  impl_->name = "sekisho " + name;
  impl_->app.name(impl_->name);
  impl_->app.description(std::move(description));
  if (!examples.empty()) impl_->app.footer("Examples:\n" + examples);
}
Cli::~Cli() = default;
Cli::Cli(Cli&&) noexcept = default;

void Cli::text(const std::string& name, std::string& into, const std::string& help, bool required) {
  impl_->app.add_option(name, into, help)->required(required);
}
void Cli::texts(const std::string& name, std::vector<std::string>& into, const std::string& help) {
  impl_->app.add_option(name, into, help)->expected(1)->take_all()->allow_extra_args(false);
}
void Cli::octets(const std::string& name, std::optional<std::string>& into, const std::string& help) {
  impl_->one[name] = &into;
  impl_->app.add_option(name, impl_->ignored, help);
}
void Cli::octets(const std::string& name, std::vector<std::string>& into, const std::string& help) {
  impl_->many[name] = &into;
  impl_->app.add_option(name, impl_->ignored, help);
}
void Cli::number(const std::string& name, std::int64_t& into, std::int64_t least, std::int64_t most,
                 const std::string& help) {
  impl_->app.add_option(name, into, help)->check(CLI::Range(least, most));
}
void Cli::flag(const std::string& name, bool& into, const std::string& help) { impl_->app.add_flag(name, into, help); }
void Cli::choice(const std::string& name, std::string& into, const std::vector<std::string>& words,
                 const std::string& help) {
  impl_->app.add_option(name, into, help)->check(CLI::IsMember(words));
}
void Cli::positional(const std::string& name, std::string& into, const std::string& help, bool required) {
  impl_->app.add_option(name, into, help)->required(required);
}
void Cli::rest(const std::string& name, std::vector<std::string>& into, const std::string& help, bool required) {
  impl_->app.add_option(name, into, help)->required(required);
}

std::optional<int> Cli::parse(std::vector<std::string> arguments) {
  // Outside bytes are taken out before the parser sees them, so that nothing in them can look like an option.
  std::vector<std::string> left;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const auto equals = arguments[i].find('=');
    const std::string name = arguments[i].substr(0, equals);
    const auto one = impl_->one.find(name);
    const auto many = impl_->many.find(name);
    if (one == impl_->one.end() && many == impl_->many.end()) {
      left.push_back(std::move(arguments[i]));
      continue;
    }
    std::string value;
    if (equals != std::string::npos)
      value = arguments[i].substr(equals + 1);
    else if (i + 1 < arguments.size())
      value = arguments[++i];
    else
      return usage_error(name + " needs a value");
    if (one != impl_->one.end())
      *one->second = std::move(value);
    else
      many->second->push_back(std::move(value));
  }
  try {
    std::reverse(left.begin(), left.end());  // CLI11 takes its vector from the back
    impl_->app.parse(left);
  } catch (const CLI::ParseError& stop) {
    if (stop.get_exit_code() == 0) {
      std::fputs(impl_->app.help().c_str(), stdout);
      return 0;
    }
    return usage_error(stop.what());
  }
  return {};
}

int Cli::usage_error(const std::string& text) const {
  std::fprintf(stderr, "%s: %s\nTry '%s --help'.\n", impl_->name.c_str(), text.c_str(), impl_->name.c_str());
  return 2;
}

}  // namespace sekisho::cmd
