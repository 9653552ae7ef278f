// covers: evaluate.cc pra.cc
#include <cstdlib>

#include "base/core/text.h"
#include "road/identity/sender_id/sender_id.h"

// A header in, a PRA out: found only by its own rules, whatever the octets are.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* octets, std::size_t size) {
  using namespace sekisho;
  core::Budget budget;
  const auto message = mail::Message::from_file(std::string(reinterpret_cast<const char*>(octets), size), budget);
  if (!message) return 0;
  const auto pra = sender_id::purported_responsible_address(**message, budget);
  if (pra.address && (pra.header.empty() || (*message)->all(pra.header).empty())) std::abort();
  if (pra.address && pra.header != "Resent-Sender" && pra.header != "Resent-From" && (*message)->first("Resent-From") &&
      !core::trim_fws((*message)->first("Resent-From")->value).empty())
    std::abort();
  if (pra.reason.empty()) std::abort();
  return 0;
}
