#include <algorithm>

#include "base/core/text.h"
#include "road/identity/arc/field.h"
#include "road/identity/signature/fold.h"

namespace sekisho::arc {
namespace {

using signature::Canon;
using signature::Folder;
using signature::Hash;

// RFC 8617 section 4.1.2: DKIM-Signature should be covered, Authentication-Results and the ARC fields of others not.
constexpr std::string_view kListed[] = {"From",
                                        "Sender",
                                        "Reply-To",
                                        "Subject",
                                        "Date",
                                        "Message-ID",
                                        "To",
                                        "Cc",
                                        "MIME-Version",
                                        "Content-Type",
                                        "Content-Transfer-Encoding",
                                        "In-Reply-To",
                                        "References",
                                        "List-Id",
                                        "List-Unsubscribe",
                                        "List-Post",
                                        "DKIM-Signature"};

std::vector<std::string> choose_headers(const mail::Message& message, const SealOptions& options) {
  if (!options.headers.empty()) return options.headers;
  std::vector<std::string> names;
  for (std::string_view name : kListed) names.insert(names.end(), message.all(name).size(), std::string(name));
  return names;
}

bool usable(const SealOptions& options, const authres::Header& results, const std::vector<std::string>& names) {
  for (const auto& name : names)
    if (name.empty() || core::iequals(name, "ARC-Seal") ||
        std::any_of(name.begin(), name.end(), [](char c) { return c <= 0x20 || c >= 0x7f || c == ':' || c == ';'; }))
      return false;
  return !results.authserv_id.empty() && (!options.now_s || *options.now_s >= 0) &&
         signature::record_name(options.selector, options.domain).has_value();
}

std::string algorithm(const signature::PrivateKey& key) {
  return key.type() == signature::KeyType::kEd25519 ? "ed25519-sha256" : "rsa-sha256";
}

void tags_in_common(Folder& out, const SealOptions& options) {
  out.word("d=" + options.domain.text() + ";");
  out.word("s=" + options.selector + ";");
  if (options.now_s) out.word("t=" + std::to_string(*options.now_s) + ";");
}

std::optional<std::string> signed_field(Folder& field, const signature::PrivateKey& key, signature::Digest& digest) {
  const auto octets = key.sign(Hash::kSha256, digest.finish());
  if (!octets) return {};
  field.octets(core::base64(*octets));
  return field.text() + "\r\n";
}

std::optional<std::string> message_signature(const mail::Message& message, unsigned instance,
                                             const std::vector<std::string>& names, const signature::PrivateKey& key,
                                             const SealOptions& options, core::Budget& budget) {
  signature::BodyHasher hasher;
  const auto wish = hasher.want(Canon::kRelaxed, Hash::kSha256, {});
  message.body().hash_into(hasher);
  hasher.finish();
  Folder field("ARC-Message-Signature:");
  field.word("i=" + std::to_string(instance) + ";");
  field.word("a=" + algorithm(key) + ";");
  field.word("c=relaxed/relaxed;");
  tags_in_common(field, options);
  field.word("h=");
  for (std::size_t i = 0; i < names.size(); ++i)
    field.more(core::to_lower(names[i]) + (i + 1 < names.size() ? ":" : ";"));
  if (names.empty()) field.more(";");
  field.word("bh=" + core::base64(hasher.hash(wish)) + ";");
  field.word("b=");
  const signature::HeaderIndex index(message);
  const std::vector<std::string_view> views(names.begin(), names.end());
  const auto header = signature::canonical_fields(index, nullptr, views, Canon::kRelaxed, budget, nullptr);
  if (!header) return {};
  std::string own;
  signature::append_canonical_signature(Canon::kRelaxed, field.text(), {}, own);
  signature::Digest digest(Hash::kSha256);
  digest.update(*header);
  digest.update(own);
  return signed_field(field, key, digest);
}

}  // namespace

core::Result<std::string, SealError> seal(const mail::Message& message, const Evaluation& chain,
                                          const authres::Header& results, const signature::PrivateKey& key,
                                          const SealOptions& options) {
  using road::AuthResult;
  const auto names = choose_headers(message, options);
  if (!usable(options, results, names)) return core::error(SealError::kOptions);
  if (chain.result == AuthResult::kTempError) return core::error(SealError::kTemporary);
  if (!chain.sealable) return core::error(SealError::kClosed);
  if (chain.instance >= kMaxSets) return core::error(SealError::kTooMany);
  const unsigned instance = chain.instance + 1;
  const bool failed = chain.result == AuthResult::kFail;
  core::Budget budget;

  const std::string aar = "ARC-Authentication-Results: i=" + std::to_string(instance) + "; " +
                          authres::format(results, {76, false}) + "\r\n";
  const auto ams = message_signature(message, instance, names, key, options, budget);
  if (!ams) return core::error(budget.steps == 0 ? SealError::kTooComplex : SealError::kKey);

  // Section 5.1.2: a failing chain is closed by a seal over its own set only.
  std::string older;
  if (!failed && chain.instance > 0) {
    const Chain links = read_chain(message, {}, budget);
    if (links.links.size() != chain.instance) return core::error(SealError::kTooComplex);
    for (const auto& link : links.links)
      for (const auto* header : {link.results_header, link.message_signature.header, link.seal.header})
        signature::append_canonical(Canon::kRelaxed, header->raw, older);
  }
  Folder field("ARC-Seal:");
  field.word("i=" + std::to_string(instance) + ";");
  field.word("a=" + algorithm(key) + ";");
  field.word(std::string("cv=") + (failed ? "fail" : chain.instance > 0 ? "pass" : "none") + ";");
  tags_in_common(field, options);
  field.word("b=");
  signature::Digest digest(Hash::kSha256);
  digest.update(sealed_text(older, aar, *ams, field.text(), {}));
  const auto seal = signed_field(field, key, digest);
  if (!seal) return core::error(SealError::kKey);
  return *seal + *ams + aar;
}

authres::Header results_of(const mail::Message& message, std::string_view authserv_id, core::Budget& budget) {
  authres::Header out;
  out.authserv_id = authserv_id;
  for (const auto* field : message.all("Authentication-Results")) {
    auto read = authres::parse(field->value, budget);
    if (!read || !authres::same_id(read->authserv_id, authserv_id)) continue;
    out.results.insert(out.results.end(), read->results.begin(), read->results.end());
  }
  return out;
}

}  // namespace sekisho::arc
