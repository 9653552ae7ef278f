#pragma once
// What the rooms found, as the JSON of the command contract. One function a type, used by check, spf, dkim, dmarc,
// trace and replay.
#include <boost/json/fwd.hpp>
#include <cstdint>
#include <span>
#include <string>

#include "base/config/config.h"
#include "road/finding/finding.h"
#include "road/identity/arc/arc.h"
#include "road/identity/dkim/dkim.h"
#include "road/identity/dmarc/dmarc.h"
#include "road/identity/domainkeys/domainkeys.h"
#include "road/identity/guard/guard.h"
#include "road/identity/sender_id/sender_id.h"
#include "road/identity/smime/smime.h"
#include "road/identity/spf/spf.h"

namespace sekisho::cmd {

// What an answer rests on: the address a client came from, or a signature of the mail (or of its chain). Nothing where
// DMARC proves nothing: it has no evidence of its own.
enum class Evidence : unsigned char { kNone, kAddress, kSignature, kBoth };
std::string_view word(Evidence evidence);  // "none" "address" "signature" "both"
Evidence evidence_of(const dmarc::Evaluation& dmarc);

boost::json::object to_json(const spf::Evaluation& spf);
boost::json::object to_json(const sender_id::Evaluation& sender_id);
boost::json::object to_json(const domainkeys::Evaluation& domainkeys);
boost::json::object to_json(const dkim::Verification& dkim);
boost::json::array to_json(std::span<const dkim::Verification> dkim);
boost::json::object to_json(const arc::Evaluation& arc);
boost::json::object to_json(const dmarc::Evaluation& dmarc);
boost::json::object to_json(const guard::Evaluation& guard);
boost::json::object to_json(const smime::Evaluation& smime);
boost::json::object to_json(const road::Finding& finding);
boost::json::array to_json(std::span<const road::Finding> findings);

// What is wrong with a config: [{file, line, message}], and a line each on standard error.
boost::json::array problems_json(std::span<const config::Problem> problems);
void tell_problems(std::span<const config::Problem> problems);
void tell_warnings(std::span<const config::Problem> warnings);  // likewise, with "warning"

std::string utc_text(std::int64_t epoch_s, const char* format = "%Y-%m-%d %H:%M UTC");  // strftime's

// JSON text is UTF-8: octets that are not become U+FFFD, so that one document always parses.
std::string utf8(std::string_view octets);
void print_json(const boost::json::value& value);  // one line on standard output

// The exit status of a list of signatures: 0 a pass or none at all, 1 no pass and some fail, permerror or policy, 3
// temporary. Of one result likewise.
int exit_status(std::span<const dkim::Verification> dkim);
int exit_status(road::AuthResult result);

}  // namespace sekisho::cmd
