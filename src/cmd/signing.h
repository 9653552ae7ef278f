#pragma once
// What the commands that sign have in common: domain, selector and key from the command line, field lists, and the
// whole signed message on standard output.
#include <optional>
#include <string>
#include <vector>

#include "cmd/cli.h"
#include "mail/address/address.h"
#include "mail/message/message.h"
#include "road/identity/signature/key.h"

namespace sekisho::cmd {

struct Signer {
  mail::Domain domain;
  signature::PrivateKey key;
};
// Nothing after a usage error was printed.
std::optional<Signer> read_signer(const Cli& cli, const std::string& domain, const std::string& selector,
                                  const std::string& key_file, const std::string& algorithm);
std::vector<std::string> split_names(const std::string& text);  // "from:to:subject"
// fields, then the message; the exit status.
int write_signed(const Cli& cli, const std::string& fields, const mail::Message& message);

}  // namespace sekisho::cmd
