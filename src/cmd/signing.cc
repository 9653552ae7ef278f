#include "cmd/signing.h"

#include <algorithm>
#include <cstdio>

#include "cmd/files.h"

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
  const auto pem = read_octets(key_file);
  if (!pem) return wrong(pem.error());
  auto key = signature::PrivateKey::from_pem(*pem);
  if (!key) return wrong(key_file + ": no RSA (1024 bits or more) or Ed25519 private key in PEM without passphrase");
  if (!algorithm.empty() && (algorithm == "ed25519-sha256") != (key->type() == signature::KeyType::kEd25519))
    return wrong("--algorithm " + algorithm + " does not fit the key in " + key_file);
  return Signer{*domain, std::move(*key)};
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
