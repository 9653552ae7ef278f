#pragma once
// What `sekisho record lint` and `sekisho record build` share: a record by its type and place, laid over the DNS, its
// report, and its effect on past mail.
#include <boost/json/fwd.hpp>
#include <memory>
#include <string>
#include <vector>

#include "base/core/result.h"
#include "cmd/cli.h"
#include "service/records/records.h"

namespace sekisho::cmd {

int record_lint(const Arguments& arguments);
int record_build(const Arguments& arguments);

// Past mail: of a mailbox (its client and HELO from Received), or of the ledger of this config.
struct Simulation {
  records::Type type = records::Type::kSpf;
  const mail::Domain* domain = nullptr;
  std::string mailbox, config_file;
  bool wanted() const { return !mailbox.empty() || !config_file.empty(); }
};
// The document's "simulation": each source with what SPF and DMARC say now and under the new record. An error text for
// people.
core::Result<boost::json::object, std::string> simulate(const Simulation& simulation, dns::Resolver& now,
                                                        dns::Resolver& fresh, bool print_table, bool japanese);

// Master-file strings ("a" "b") or the bare text.
core::Result<records::Text, std::string> read_record_text(const std::string& text);
boost::json::array sheets_json(const std::vector<records::Sheet>& sheets);
void print_sheets(const std::vector<records::Sheet>& sheets, bool japanese);
// 0, 1 where an error stands, 3 where only the DNS failed.
int exit_status(const std::vector<records::Sheet>& sheets);

}  // namespace sekisho::cmd
