// sekisho smime verify --ca FILE MESSAGE
#include <boost/json.hpp>
#include <cstdio>

#include "base/core/clock.h"
#include "base/io/io.h"
#include "cmd/commands.h"
#include "cmd/files.h"
#include "cmd/present.h"
#include "road/identity/author/author.h"
#include "road/identity/smime/smime.h"

namespace sekisho::cmd {

int smime(const Arguments& arguments) {
  std::string verb, path, ca;
  std::int64_t now = 0;
  bool json = false, legacy = false;
  Cli cli("smime",
          "verify: the S/MIME signature of a message against the CAs of --ca, and whether the signer is the author.\n"
          "Nothing is decrypted, no CRL or OCSP is asked.",
          "  sekisho smime verify --ca people.pem mail.eml\n"
          "  sekisho smime verify --ca people.pem --json - < mail.eml");
  cli.positional("VERB", verb, "verify");
  cli.positional("MESSAGE", path, "a file, or - for standard input");
  cli.text("--ca", ca, "PEM file of the CAs that are believed; without it none is");
  cli.number("--now", now, 0, INT64_C(253402300799), "wall time as epoch seconds; 0 is now");
  cli.flag("--legacy", legacy, "accepted as for dkim; changes nothing");
  cli.flag("--json", json, "one JSON document on standard output");
  if (const auto status = cli.parse(arguments)) return *status;
  if (verb != "verify") return cli.usage_error("'" + verb + "' is not verify");
  auto trust = smime::Trust::none();
  if (!ca.empty()) {
    auto loaded = smime::Trust::load(ca);
    if (!loaded) return cli.usage_error(loaded.error());
    trust = *loaded;
  }
  auto octets = read_octets(path);
  if (!octets) return cli.usage_error(octets.error());
  core::Budget budget;
  const auto message = mail::Message::from_file(std::move(*octets), budget);
  if (!message) return cli.usage_error("the message cannot be read (bare CR, or too complex)");
  const auto author = author::evaluate(**message, budget);
  const smime::Options options{now ? now : core::SystemClock().now_s(), nullptr};
  std::vector<mail::Address> authors;
  if (author.author_domain) authors = author.addresses;
  const auto found = io::run(smime::verify(**message, authors, trust, options, budget));
  if (json)
    print_json(to_json(found));
  else
    std::printf("%s %s: %s\n", std::string(road::word(found.result)).c_str(),
                found.address.empty() ? "-" : found.address.c_str(), found.reason.c_str());
  return exit_status(found.result);
}

}  // namespace sekisho::cmd
