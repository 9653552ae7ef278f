// Whatever decodes must encode and decode to the same message again.
// covers: packet.cc packet_encode.cc record.cc
#include <cstdlib>

#include "base/dns/packet.h"
#include "base/dns/record.h"
#include "base/dns/reply.h"

using namespace sekisho;

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view packet(reinterpret_cast<const char*>(data), size);
  core::Budget budget;
  const auto message = dns::decode(packet, budget);
  if (!message) return 0;
  core::Budget again;
  const auto back = dns::decode(dns::encode(*message), again);
  if (!back) std::abort();
  const bool whole =
      back->header.truncated == message->header.truncated && back->additionals.size() == message->additionals.size();
  if (whole && !(*back == *message)) std::abort();
  const std::string small = dns::encode(*message, 512);
  if (message->edns ? small.size() > 512 + message->edns->options.size() : small.size() > 512) std::abort();
  if (!dns::decode(small, again)) std::abort();
  if (message->questions.empty()) return 0;
  const dns::Answer answer = dns::make_answer(*message, message->questions[0].name, message->questions[0].type);
  (void)answer.canonical.text();
  return 0;
}
