#pragma once
// What the commands that sign have in common: domain, selector and key from the command line, field lists, and the
// whole signed message on standard output.
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cmd/cli.h"
#include "mail/address/address.h"
#include "mail/message/message.h"
#include "road/identity/signature/key.h"
#include "road/identity/signing/signing.h"

namespace sekisho::cmd {

struct Signer {
  mail::Domain domain;
  signature::PrivateKey key;
};
// Nothing after a usage error was printed. A key file that others may read is used with a word on standard error.
std::optional<Signer> read_signer(const Cli& cli, const std::string& domain, const std::string& selector,
                                  const std::string& key_file, const std::string& algorithm);
// The keys of a config for one mail. Nothing after what was wrong has been printed; `status` is then the exit status:
// 2 for config or message, 1 when no key is for this author.
struct ConfiguredKeys {
  std::shared_ptr<const signing::KeyTable> table;
  std::vector<const signing::SigningKey*> keys;  // not empty
  std::optional<mail::Address> author;           // when it is one
};
enum class SignMethod { kDkim, kDomainKeys };
std::optional<ConfiguredKeys> choose_keys(const Cli& cli, const std::string& config_file, const mail::Message& message,
                                          SignMethod method, int& status);
std::vector<std::string> split_names(const std::string& text);  // "from:to:subject"
// fields, then the message; the exit status.
int write_signed(const Cli& cli, const std::string& fields, const mail::Message& message);

}  // namespace sekisho::cmd
