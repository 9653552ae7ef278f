#include "base/core/text.h"
#include "road/identity/signature/key.h"

namespace sekisho::signature {
namespace {
constexpr std::size_t kMaxRecord = 8192;

bool has(std::optional<std::string_view> list, std::string_view word) {
  if (list)
    for (std::string_view item : split_colons(*list))
      if (core::iequals(item, word)) return true;
  return false;
}
}  // namespace

std::optional<mail::Domain> record_name(std::string_view selector, const mail::Domain& domain) {
  if (selector.empty() || selector.starts_with('.') || selector.ends_with('.')) return {};
  return mail::Domain::parse(std::string(selector).append("._domainkey.").append(domain.text()));
}

core::Result<KeyRecord, KeyError> KeyRecord::parse(std::string_view text, core::Budget& budget) {
  if (text.size() > kMaxRecord) return core::error(KeyError::kTooLong);
  const auto tags = TagList::parse(text, budget);
  if (!tags) return core::error(tags.error() == TagError::kTooComplex ? KeyError::kTooLong : KeyError::kSyntax);
  KeyRecord record;
  // RFC 6376 section 3.6.1: "If specified, this tag MUST be set to "DKIM1" ... This tag MUST be the first tag".
  if (const auto version = tags->value("v")) {
    if (*version != "DKIM1") return core::error(KeyError::kVersion);
    if (tags->tags().front().name != "v") return core::error(KeyError::kSyntax);
    record.versioned = true;
  }
  const auto key = tags->value("p");
  if (!key) return core::error(KeyError::kSyntax);  // p= is REQUIRED
  const auto type = tags->value("k").value_or("rsa");
  if (core::iequals(type, "ed25519"))
    record.type = KeyType::kEd25519;
  else if (!core::iequals(type, "rsa"))
    return core::error(KeyError::kUnknownType);
  // "An empty value means that this public key has been revoked."
  if (key->empty()) return core::error(KeyError::kRevoked);
  record.key = *key;
  record.granularity = tags->value("g");
  if (const auto hashes = tags->value("h")) {
    record.allows_sha1 = has(hashes, "sha1");
    record.allows_sha256 = has(hashes, "sha256");
  }
  if (const auto services = tags->value("s")) record.for_mail = has(services, "*") || has(services, "email");
  const auto flags = tags->value("t");
  record.testing = has(flags, "y");
  record.strict_domain = has(flags, "s");
  return record;
}

}  // namespace sekisho::signature
