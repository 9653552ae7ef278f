// Any message: finding what is signed, and the CMS object in it, end with one of RFC 7281's words; nobody the CA does
// not know is proven, and what is shown is printable. No signature of the seeds is by a trusted CA, so pass is a fault.
// covers: entity.cc cms.cc
#include <algorithm>
#include <cstdlib>

#include "base/core/text.h"
#include "road/identity/smime/cms.h"
#include "road/identity/smime/entity.h"

using namespace sekisho;

namespace {
void must(bool holds) {
  if (!holds) std::abort();
}
bool printable(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c < 127; });
}
class View final : public mail::BodySink {
 public:
  void update(std::string_view octets) override { all += octets; }
  std::string all;
};
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto trust = smime::Trust::none();
  core::Budget budget;
  const auto message = mail::Message::from_file(std::string(reinterpret_cast<const char*>(data), size), budget);
  if (!message) return 0;
  View body;
  (*message)->body().hash_into(body);
  const auto* field = (*message)->first("Content-Type");
  if (!field) return 0;
  const auto found = smime::find_signed(**message, smime::parse_content_type(field->value), body.all, budget);
  must(printable(found.reason));
  if (found.result != road::AuthResult::kPass) return 0;
  must(!found.cms.empty());
  if (found.detached) must(found.content.size() < body.all.size());
  smime::Evaluation out;
  const std::vector<mail::Address> authors{*mail::Address::parse("a@a.example")};
  smime::check_cms(found.cms, found.detached, found.content, authors, *trust, 1'800'000'000, out);
  must(out.result != road::AuthResult::kPass);
  must(printable(out.reason) && printable(out.address) && printable(out.serial) && printable(out.issuer));
  return 0;
}
