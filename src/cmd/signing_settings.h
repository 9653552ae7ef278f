#pragma once
// [[signing_key]] of a config: the keys are read, or it is said what is wrong with them. Nothing is asked of the DNS.
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/config/config.h"
#include "road/identity/signing/signing.h"

namespace sekisho::cmd {

// A row as it stands in the file.
struct SigningRow {
  std::string at;  // "signing_key[0]."
  std::uint32_t line = 1;
  mail::Domain domain;
  std::string user, selector, key_file, folder;
  bool dkim = false, domainkeys = false;
};
// Rows that cannot be read are left out and told in problems.
std::vector<SigningRow> signing_rows(const config::Values& values, std::vector<config::Problem>& problems);
std::shared_ptr<const signing::KeyTable> read_signing_keys(const config::Values& values,
                                                           std::vector<config::Problem>& problems,
                                                           std::vector<config::Problem>& warnings);

}  // namespace sekisho::cmd
