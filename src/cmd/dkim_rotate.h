#pragma once
// sekisho dkim rotate: the change of a signing key as an operator sees it.
#include <cstdint>
#include <string>

#include "cmd/cli.h"

namespace sekisho::cmd {

struct RotateOptions {
  std::string config, domain, user, selector, algorithm, zone, resolver;
  std::int64_t now_s = 0, rsa_bits = 2048;
  std::int64_t overlap_days = -1;  // below 0: signing.overlap_days
  bool only_continue = false, only_status = false, json = false;
};
// The exit status: the worst of all rows (2 something is broken, 1 another record is published, 3 not published yet).
int rotate(const Cli& cli, const RotateOptions& options);

}  // namespace sekisho::cmd
