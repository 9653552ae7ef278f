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

// Master-file strings ("a" "b") or the bare text.
core::Result<records::Text, std::string> read_record_text(const std::string& text);
boost::json::object to_json(const records::Sheet& sheet);
boost::json::object to_json(const records::Problem& problem);
void print_sheets(const std::vector<records::Sheet>& sheets, bool japanese);
// 0, 1 where an error stands, 3 where only the DNS failed.
int exit_status(const std::vector<records::Sheet>& sheets);

}  // namespace sekisho::cmd
