#include "base/core/text.h"
#include "road/identity/signing/signing.h"

namespace sekisho::signing {
namespace {
constexpr std::size_t kStringMax = 255;  // of a TXT character-string

Publication judge_text(const signature::PrivateKey& key, const std::string& text, core::Budget& budget) {
  using signature::KeyError;
  const std::string shown = core::printable(text, 300);
  const auto record = signature::KeyRecord::parse(text, budget);
  if (!record && record.error() == KeyError::kRevoked) return {Published::kRevoked, shown};
  if (!record) return {Published::kDiffers, "not a key record: " + shown};
  Publication out{Published::kDiffers, shown, record->testing};
  if (record->type != key.type()) {
    out.seen = "a key of another type: " + shown;
  } else if (!record->for_mail) {
    out.seen = "s= does not allow mail: " + shown;
  } else if (!record->allows_sha256) {
    out.seen = "h= does not allow sha256: " + shown;
  } else if (!key.pairs_with(record->type, record->key)) {
    out.seen = "another key: " + shown;
  } else {
    out.state = Published::kMatches;
  }
  return out;
}
}  // namespace

std::string record_line(const mail::Domain& name, std::string_view text) {
  std::string out = name.text() + ". 3600 IN TXT";
  for (std::size_t at = 0; at < text.size(); at += kStringMax)
    out.append(" \"").append(text.substr(at, kStringMax)).append("\"");
  return out;
}

std::string_view word(Published published) {
  switch (published) {
    case Published::kMatches:
      return "matches";
    case Published::kMissing:
      return "missing";
    case Published::kDiffers:
      return "differs";
    case Published::kRevoked:
      return "revoked";
    case Published::kTemporary:
      return "temporary";
  }
  return "";
}

core::Task<Publication> find_published(const signature::PrivateKey& key, const mail::Domain& name,
                                       dns::Resolver& resolver, core::Budget& budget) {
  const auto answer = co_await resolver.lookup(name.name(), dns::Type::kTxt, budget);
  Publication out;
  if (answer->code == dns::Code::kNoData || answer->code == dns::Code::kNxDomain) {
    out.state = Published::kMissing;
    out.seen = answer->code == dns::Code::kNxDomain ? "there is no such name" : "the name has no TXT record";
    co_return out;
  }
  if (answer->code != dns::Code::kRecords) {
    out.seen = "the DNS does not answer";
    co_return out;
  }
  // RFC 6376 section 3.6.2.2: with several "the results are undefined".
  if (answer->texts.size() != 1) {
    out.state = Published::kDiffers;
    out.seen = std::to_string(answer->texts.size()) + " TXT records where there must be one";
    co_return out;
  }
  co_return judge_text(key, answer->texts.front(), budget);
}

}  // namespace sekisho::signing
