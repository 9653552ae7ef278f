#include "cmd/tables.h"

#include "road/verdict/verdict.h"

namespace sekisho::cmd {

namespace {
using enum config::Kind;

std::vector<config::Option> rows() {
  std::vector<config::Option> out = {
#define OPTION(key, kind, fallback, allowed, unit, en, ja) {key, kind, fallback, allowed, unit, en, ja},
#define OPTION_AT_START(key, kind, fallback, allowed, unit, en, ja) {key, kind, fallback, allowed, unit, en, ja, true},
#include "base/dns/options.def"
#include "base/io/options.def"
#include "base/store/options.def"
#include "cmd/options.def"
#include "gate/egress/options.def"
#include "gate/mx/options.def"
#include "road/connection/options.def"
#include "road/identity/signing/options.def"
#include "road/inbound/options.def"
#include "road/mediation/options.def"
#include "road/verdict/options.def"
#include "service/mediator/options.def"
#include "transfer/options.def"
#undef OPTION
#undef OPTION_AT_START
  };
  // The policy table is the verdict room's own; each cell is a key.
  for (const auto& cell : verdict::policy_table())
    out.push_back({cell.key, kText, cell.fallback, cell.allowed, "", cell.meaning, cell.meaning_ja});
  return out;
}
}  // namespace

const config::Table& option_table() {
  static const config::Table table(rows());
  return table;
}

}  // namespace sekisho::cmd
