// Values of any octets: what is written is read back exactly or left out, and nothing else comes of it.
// covers: format.cc
#include <cstdint>
#include <cstdlib>

#include "road/identity/authres/authres.h"

using namespace sekisho;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* octets, std::size_t size) {
  const std::string value(reinterpret_cast<const char*>(octets), size);
  const bool utf8 = size % 2 == 0;
  authres::Header header{"mx.sekisho.example"};
  header.results.push_back({"spf", "fail", value});
  header.results[0].comment = value;
  header.results[0].properties.push_back({"smtp", "mailfrom", value, value});
  header.results.push_back({"dmarc", "fail"});
  for (std::size_t fold : {0u, 78u}) {
    const auto text = authres::format(header, {.fold_at = fold, .utf8 = utf8});
    core::Budget budget;
    const auto back = authres::parse(text, budget);
    if (!back || back->results.size() != 2 || back->authserv_id != header.authserv_id) std::abort();
    const auto& first = back->results[0];
    if (first.result != "fail" || back->results[1].method != "dmarc" || first.properties.size() > 1) std::abort();
    if (!first.reason.empty() && first.reason != value) std::abort();
    if (!first.properties.empty() && first.properties[0].value != value) std::abort();
    for (std::size_t i = 0; i < text.size(); ++i) {
      const auto c = static_cast<unsigned char>(text[i]);
      if (c == 0 || (c > 0x7e && !utf8) || (c < 0x20 && (fold == 0 || (c != '\r' && c != '\n' && c != '\t'))))
        std::abort();
    }
  }
  spf::Query query;
  query.helo = query.mail_from = value;
  spf::Evaluation evaluation;
  for (char c : authres::received_spf(query, evaluation, value))
    if (c < 0x20 || c > 0x7e) std::abort();
  return 0;
}
