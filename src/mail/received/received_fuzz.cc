// A Received field whose HELO is the input: in the forms of Postfix, Exim, Exchange and qmail, with any octets a line
// may hold, the address is the connection's or none. Then the input as a whole field.
// covers: received.cc
#include <cstdlib>

#include "mail/received/received.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sekisho::received;
  const std::string input(reinterpret_cast<const char*>(data), size);
  const Clause whole = parse(input);
  if (whole.kind != Kind::kFrom && (!whole.helo.empty() || whole.ip != sekisho::core::IpAddress())) std::abort();
  if (whole.helo.size() > 255) std::abort();
  for (const std::string& field : {"from " + input + " (unknown [192.0.2.1]) by mx with SMTP id 1; date",
                                   "from host ([192.0.2.1] helo=" + input + ") by mx with esmtp id 1; date",
                                   "from [192.0.2.1] (helo=" + input + ") by mx with esmtp id 1; date",
                                   "from " + input + " (192.0.2.1) by mx (10.0.0.1) with Microsoft SMTP Server; date",
                                   "from unknown (HELO " + input + ") (192.0.2.1) by mx with SMTP; date"}) {
    const Clause got = parse(field);
    if (got.kind == Kind::kFrom && got.ip.text() != "192.0.2.1") std::abort();
  }
  return 0;
}
