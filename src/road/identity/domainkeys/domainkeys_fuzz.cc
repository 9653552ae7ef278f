// covers: canonicalize.cc verify.cc
#include <cstdlib>

#include "base/dns/zone.h"
#include "road/identity/domainkeys/domainkeys.h"

// Any message against an empty DNS: never a crash, never a pass; any text as a policy.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* octets, std::size_t size) {
  using namespace sekisho;
  core::Budget budget;
  const std::string text(reinterpret_cast<const char*>(octets), size);
  domainkeys::parse_policy(text, budget);
  const auto message = mail::Message::from_file(text, budget);
  if (!message) return 0;
  dns::Zone zone;
  zone.add_origin(".");
  const auto resolver = dns::make_overlay(zone, nullptr);
  const auto e = core::run_ready(domainkeys::verify(**message, *resolver, {}, budget));
  if (e.result == road::AuthResult::kPass || e.signatures.size() > 5) std::abort();
  return 0;
}
