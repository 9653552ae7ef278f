#include <algorithm>

#include "base/core/text.h"
#include "road/identity/domainkeys/canonicalize.h"
#include "road/identity/signature/fold.h"

namespace sekisho::domainkeys {

std::optional<mail::Address> sending_address(const mail::Message& message, core::Budget& budget) {
  return find_sender(message, budget).address;
}

core::Result<std::string, SignError> sign(const mail::Message& message, const signature::PrivateKey& key,
                                          const SignOptions& options) {
  core::Budget budget;
  const Sender sender = find_sender(message, budget);
  if (!sender.address) return core::error(SignError::kNoFrom);
  if (key.type() != signature::KeyType::kRsa) return core::error(SignError::kKey);
  // A verifier refuses any other domain, and a field it does not find signed.
  if (!sender.address->domain().is_at_or_below(options.domain) || message.all(sender.header).size() != 1 ||
      !signature::record_name(options.selector, options.domain))
    return core::error(SignError::kOptions);
  std::vector<std::string> names = options.headers;
  if (names.empty())
    for (const auto& field : message.fields())
      if (!field.name.empty()) names.emplace_back(field.name);
  std::vector<std::string> listed;  // in order, each once
  for (std::string& name : names) {
    name = core::to_lower(name);
    const bool odd = name.empty() || std::any_of(name.begin(), name.end(),
                                                 [](char c) { return c <= 0x20 || c >= 0x7f || c == ':' || c == ';'; });
    if (odd) return core::error(SignError::kOptions);
    if (std::find(listed.begin(), listed.end(), name) == listed.end()) listed.push_back(name);
  }
  if (std::find(listed.begin(), listed.end(), core::to_lower(sender.header)) == listed.end())
    listed.push_back(core::to_lower(sender.header));

  signature::Folder field("DomainKey-Signature:");
  field.word("a=rsa-sha1;");
  field.word("q=dns;");
  field.word(options.canon == Canon::kNofws ? "c=nofws;" : "c=simple;");
  field.word("s=" + options.selector + ";");
  field.word("d=" + options.domain.text() + ";");
  field.word("h=");
  for (std::size_t i = 0; i < listed.size(); ++i) field.more(listed[i] + (i + 1 < listed.size() ? ":" : ";"));
  field.word("b=");
  const auto digest = signed_digest(message, 0, &listed, options.canon, budget);
  const auto octets = digest ? key.sign(signature::Hash::kSha1, *digest) : std::nullopt;
  if (!octets) return core::error(SignError::kKey);
  field.octets(core::base64(*octets));
  return field.text() + "\r\n";
}

}  // namespace sekisho::domainkeys
