// A stream that may begin with a PROXY header: the first octet says how it is cut. Cuts change nothing, and no octet
// behind the header is ever taken.
// covers: proxy.cc
#include <algorithm>
#include <cstdlib>

#include "base/proxy/proxy.h"

namespace {
using namespace sekisho::proxy;

struct Outcome {
  Fault fault;
  Header header;
  std::size_t taken = 0;
  bool whole = false;
};

Outcome read(std::string_view stream, std::size_t piece) {
  Reader reader;
  std::size_t at = 0;
  while (reader.needs() > 0 && at < stream.size()) {
    const auto octets = stream.substr(at, std::min(piece, reader.needs()));
    reader.feed(octets);
    at += octets.size();
  }
  return {reader.fault(), reader.header(), at, reader.needs() == 0};
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view stream(reinterpret_cast<const char*>(data + 1), size - 1);
  const Outcome one = read(stream, SIZE_MAX), other = read(stream, 1 + data[0]);
  if (one.fault != other.fault || one.whole != other.whole) std::abort();
  if (one.fault == Fault::kNone && one.whole) {
    if (one.taken != other.taken || one.header.client_ip != other.header.client_ip ||
        one.header.client_port != other.header.client_port || one.header.local_ip != other.header.local_ip)
      std::abort();
    // Version 1 ends with its CRLF, version 2 with its length.
    if (stream[0] == 'P' ? !stream.substr(0, one.taken).ends_with("\r\n") || one.taken > 107
                         : one.taken != std::size_t{16} + data[15] * 256u + data[16])
      std::abort();
  } else if (one.header.names_client) {
    std::abort();
  }
  return 0;
}
