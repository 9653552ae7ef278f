#include "cmd/signing.h"

#include <algorithm>
#include <cstdio>

#include "base/core/text.h"
#include "cmd/present.h"
#include "cmd/signing_settings.h"
#include "cmd/tables.h"
#include "road/identity/author/author.h"
#include "road/identity/domainkeys/domainkeys.h"

namespace sekisho::cmd {

std::optional<Signer> read_signer(const Cli& cli, const std::string& domain_text, const std::string& selector,
                                  const std::string& key_file, const std::string& algorithm) {
  const auto wrong = [&cli](const std::string& text) {
    cli.usage_error(text);
    return std::nullopt;
  };
  if (domain_text.empty() || selector.empty() || key_file.empty())
    return wrong("--domain, --selector and --key are needed");
  const auto domain = mail::Domain::parse(domain_text);
  if (!domain) return wrong("--domain: '" + domain_text + "' is not a domain name");
  auto file = signing::read_key_file(key_file, signing::Openness::kTold);
  if (!file) return wrong(file.error());
  for (const auto& warning : file->warnings) std::fprintf(stderr, "sekisho: warning: %s\n", warning.c_str());
  if (!algorithm.empty() && (algorithm == "ed25519-sha256") != (file->key.type() == signature::KeyType::kEd25519))
    return wrong("--algorithm " + algorithm + " does not fit the key in " + key_file);
  return Signer{*domain, std::move(file->key)};
}

namespace {
std::vector<const signing::SigningKey*> keys_of_author(const signing::KeyTable& table, const mail::Message& message,
                                                       ConfiguredKeys& into, std::string& whom) {
  core::Budget budget;
  const auto who = author::evaluate(message, budget);
  whom = "its author: From is missing, cannot be read, or names several domains";
  if (!who.author_domain || who.addresses.empty()) return {};
  whom = who.author_domain->text();
  if (who.addresses.size() > 1) return table.select(*who.author_domain);
  into.author = who.addresses.front();
  whom = core::printable(into.author->text());
  return table.select(*into.author);
}

std::vector<const signing::SigningKey*> keys_of_sender(const signing::KeyTable& table, const mail::Message& message,
                                                       ConfiguredKeys& into, std::string& whom) {
  core::Budget budget;
  into.author = domainkeys::sending_address(message, budget);
  whom = into.author ? core::printable(into.author->text()) : "its sender: no address in Sender or From";
  if (!into.author) return {};
  return table.select(*into.author);
}
}  // namespace

std::optional<ConfiguredKeys> choose_keys(const Cli& cli, const std::string& config_file, const mail::Message& message,
                                          SignMethod method, int& status) {
  status = 2;
  const auto values = config::load(config_file, option_table());
  std::vector<config::Problem> problems, warnings;
  if (!values) problems = values.error();
  ConfiguredKeys out;
  if (values) out.table = read_signing_keys(*values, problems, warnings);
  tell_warnings(warnings);
  tell_problems(problems);
  if (!problems.empty()) return {};
  const bool dkim = method == SignMethod::kDkim;
  std::string whom;
  for (const auto* key :
       dkim ? keys_of_author(*out.table, message, out, whom) : keys_of_sender(*out.table, message, out, whom))
    if (dkim ? key->dkim : key->domainkeys) out.keys.push_back(key);
  if (!out.keys.empty()) return out;
  cli.usage_error("no [[signing_key]] in " + config_file + " makes " + (dkim ? "dkim" : "domainkeys") +
                  " signatures for " + whom + "; nothing was written");
  status = 1;
  return {};
}

std::vector<std::string> split_names(const std::string& text) {
  std::vector<std::string> out;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find(':', at), text.size());
    if (end > at) out.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

int write_signed(const Cli& cli, const std::string& fields, const mail::Message& message) {
  struct Out final : mail::BodySink {
    void update(std::string_view octets) override { std::fwrite(octets.data(), 1, octets.size(), stdout); }
  } out;
  out.update(fields);
  out.update(message.header_octets());
  out.update("\r\n");
  message.body().copy_to(out);
  return std::fflush(stdout) == 0 ? 0 : cli.usage_error("standard output cannot be written");
}

}  // namespace sekisho::cmd
