// A whole verification: the input is the TXT record of every name, a line "--", and the message. With the right record
// a signature of the seeds passes, so that the far end is reached too.
// covers: check.cc field.cc verify.cc
#include <cstdlib>

#include "road/identity/dkim/dkim.h"

using namespace sekisho;

namespace {
class OneRecord final : public dns::Resolver {
 public:
  explicit OneRecord(std::string_view text) {
    auto answer = std::make_shared<dns::Answer>();
    answer->code = dns::Code::kRecords;
    answer->texts = {std::string(text), std::string(text)};
    answer_ = std::move(answer);
  }
  dns::AnswerPtr ready(const dns::Name& name, dns::Type) override {
    // What reaches the DNS is a name of tame octets below _domainkey.
    const std::string text = name.text();
    if (text.find("._domainkey.") == std::string::npos) std::abort();
    for (char c : text)
      if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '.' && c != '-' && c != '_') std::abort();
    return turn_++ % 2 ? answer_ : nullptr;
  }
  core::Task<dns::AnswerPtr> lookup(dns::Name, dns::Type, core::Budget& budget) override {
    auto none = std::make_shared<dns::Answer>();
    none->code = dns::Code::kNotAllowed;
    co_return budget.take_query() ? answer_ : none;
  }

 private:
  dns::AnswerPtr answer_;
  unsigned turn_ = 0;
};

bool tame(std::string_view text) {
  for (char c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return false;
  return true;
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto cut = input.find("\n--\n");
  if (cut == std::string_view::npos) return 0;
  OneRecord resolver(input.substr(0, cut));
  core::Budget budget;
  const auto message = mail::Message::from_file(std::string(input.substr(cut + 4)), budget);
  if (!message) return 0;
  for (bool legacy : {false, true}) {
    dkim::Options options;
    options.now_s = 1'768'435'200;
    options.legacy = legacy;
    road::Findings findings;
    const auto all = core::run_ready(dkim::verify(**message, resolver, options, budget, findings));
    for (const auto& one : all) {
      if (!tame(one.agent_id) || !tame(one.reason) || !tame(one.selector) || !tame(one.signature_head)) std::abort();
      if (one.passed() && (!one.domain || one.key_bits == 0)) std::abort();
    }
    for (const auto& finding : findings)
      if (!tame(finding.evidence)) std::abort();
  }
  return 0;
}
