// Replies cut at any place: the same answer however they are cut, and nothing in it that could end a line.
// covers: reply_parser.cc
#include <cstdint>
#include <cstdlib>

#include "transfer/reply_parser.h"
#include "transfer/session.h"

using namespace sekisho;
using transfer::ReplyParser;

namespace {
std::string parse(std::string_view octets, std::size_t cut) {
  ReplyParser parser;
  std::string trace;
  while (!octets.empty()) {
    std::string_view part = octets.substr(0, cut);
    octets.remove_prefix(part.size());
    while (!part.empty()) {
      const auto state = parser.feed(part);
      if (state == ReplyParser::State::kBad) return trace + "bad";
      if (state == ReplyParser::State::kMore) break;
      const smtp::Reply reply = parser.take();
      if (reply.code < 200 || reply.code > 599 || reply.lines.empty()) abort();
      for (const auto& line : reply.lines)
        if (line.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos) abort();
      trace +=
          reply.format() + transfer::queue_id(reply) + (transfer::parse_capabilities(reply).pipelining ? "P" : "-");
    }
  }
  return trace;
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view octets(reinterpret_cast<const char*>(data), size);
  const std::string whole = parse(octets, SIZE_MAX);
  if (parse(octets, 1) != whole || parse(octets, 7) != whole) abort();
  return 0;
}
