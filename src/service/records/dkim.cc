// Key records of DKIM and DomainKeys, and the DomainKeys policy: tag lists, read by the room that verifies with them.
#include <algorithm>

#include "base/core/text.h"
#include "road/identity/domainkeys/domainkeys.h"
#include "road/identity/signature/key.h"
#include "service/records/rule.h"

namespace sekisho::records {
namespace {

using signature::KeyError;
using signature::KeyRecord;
using signature::TagList;

constexpr unsigned kBitsMust = 1024, kBitsShould = 2048;  // RFC 8301 section 3.2
constexpr std::string_view kKeyTags[] = {"v", "g", "h", "k", "n", "p", "s", "t"};
constexpr std::size_t kOneString = 255;

void lint_key_error(KeyError error, const Text& text, const TagList* tags, Complaints& out) {
  const auto value = [&](std::string_view name) { return tags ? tags->value(name).value_or("") : std::string_view(); };
  switch (error) {
    case KeyError::kVersion:
      return out.add_in(Id::k_dkim_version, value("v"));
    case KeyError::kUnknownType:
      return out.add_in(Id::k_dkim_type, value("k"));
    case KeyError::kTooLong:
      return out.add(text.octets.size() > 8192 ? Id::k_dkim_too_long : Id::k_too_complex);
    case KeyError::kRevoked:
      return out.add(Id::k_dkim_revoked);
    case KeyError::kTooLarge:
      return out.add(Id::k_dkim_too_large);
    case KeyError::kSyntax:
      if (tags && !tags->find("p")) return out.add(Id::k_dkim_no_p);
      if (tags) return out.add(Id::k_dkim_version_place);
      return;  // told with its place
    case KeyError::kUnusable:
      break;
  }
  const auto key = value("p");
  if (text.octets.find("-----") != std::string::npos || text.octets.find("BEGIN PUBLIC") != std::string::npos)
    out.add(Id::k_dkim_pem);
  else if (text.octets.size() == kOneString && text.string_sizes.size() < 2)
    out.add(Id::k_dkim_cut);
  else
    out.add_in(Id::k_dkim_unusable, key);
}

void lint_hashes(const TagList& tags, const KeyRecord& record, Complaints& out) {
  const auto hashes = tags.value("h");
  if (!hashes) return;
  for (const auto hash : signature::split_colons(*hashes, 50))
    if (!core::iequals(hash, "sha1") && !core::iequals(hash, "sha256")) out.add_in(Id::k_dkim_hash, hash);
  if (!record.allows_sha256)
    out.add_in(Id::k_dkim_sha1_only, *hashes);
  else if (record.allows_sha1)
    out.add_in(Id::k_dkim_sha1, *hashes);
}

void lint_key_tags(const TagList& tags, const KeyRecord& record, bool domainkeys, Complaints& out) {
  for (const auto& tag : tags.tags()) {
    if (is_tag(tag.name, kKeyTags)) continue;
    const bool upper = is_tag(core::to_lower(tag.name), kKeyTags);
    out.add_in(upper ? Id::k_dkim_tag_case : Id::k_dkim_unknown, tag.name);
  }
  lint_hashes(tags, record, out);
  if (!record.for_mail) out.add_in(Id::k_dkim_service, *tags.value("s"));
  if (record.testing) out.add_in(Id::k_dkim_testing, *tags.value("t"));
  if (const auto flags = tags.value("t"))
    for (const auto flag : signature::split_colons(*flags, 50))
      if (flag != "y" && flag != "s") out.add_in(Id::k_dkim_flag, flag);
  if (!record.versioned && !domainkeys) out.add(Id::k_dkim_no_version);
  // RFC 4871 section 3.6.1: an empty g= matches no address; "*" is the default.
  if (record.granularity && *record.granularity != "*") out.add_in(Id::k_dkim_granularity, *record.granularity);
}

void lint_key(const KeyRecord& record, const Text& text, const TagList& tags, Complaints& out) {
  const auto key = signature::PublicKey::load(record.type, record.key);
  if (!key) return lint_key_error(key.error(), text, &tags, out);
  const unsigned bits = (*key)->bits();
  if (record.type == signature::KeyType::kEd25519) return;
  if (bits < kBitsMust)
    out.add(Id::k_dkim_short, std::to_string(bits));
  else if (bits < kBitsShould)
    out.add(Id::k_dkim_small, std::to_string(bits));
}

}  // namespace

Problems lint_dkim(const std::string& name, const Text& text, core::Budget& budget) {
  Complaints out(name, text.octets);
  lint_octets(text, out);
  lint_tag_seams(text, kKeyTags, out);
  std::size_t fault_at = 0;
  const auto tags = TagList::parse(text.octets, budget, &fault_at);
  const auto record = KeyRecord::parse(text.octets, budget);
  if (!tags) {
    const auto place = std::string_view(text.octets).substr(fault_at);
    if (tags.error() == signature::TagError::kTooComplex)
      out.add(Id::k_too_complex);
    else
      out.add_in(tags.error() == signature::TagError::kDuplicate ? Id::k_dkim_tag_twice : Id::k_dkim_syntax, place);
    if (text.octets.find("-----") != std::string::npos) out.add(Id::k_dkim_pem);
    return out.done();
  }
  if (!record) {
    lint_key_error(record.error(), text, &*tags, out);
    return out.done();
  }
  lint_key_tags(*tags, *record, false, out);
  lint_key(*record, text, *tags, out);
  return out.done();
}

Problems lint_domainkeys(const std::string& name, const Text& text, core::Budget& budget) {
  constexpr std::string_view kTags[] = {"o", "t", "r", "n"};
  Complaints out(name, text.octets);
  lint_octets(text, out);
  lint_tag_seams(text, kTags, out);
  out.add(Id::k_domainkeys_old);
  std::size_t fault_at = 0;
  const auto tags = TagList::parse(text.octets, budget, &fault_at);
  const auto policy = domainkeys::parse_policy(text.octets, budget);
  if (!tags || !policy) {
    out.add_at(Id::k_domainkeys_syntax, std::string_view(text.octets).substr(tags ? 0 : fault_at), tags ? 0 : fault_at);
    return out.done();
  }
  for (const auto& tag : tags->tags()) {
    const bool bad = (tag.name == "o" && tag.value != "-" && tag.value != "~") || (tag.name == "t" && tag.value != "y");
    if (bad) out.add_in(Id::k_domainkeys_value, tag.value);
    if (!is_tag(tag.name, kTags)) out.add_in(Id::k_domainkeys_unknown, tag.name);
  }
  if (policy->testing) out.add(Id::k_domainkeys_testing);
  if (policy->signs_all) out.add(Id::k_domainkeys_all);
  return out.done();
}

}  // namespace sekisho::records
