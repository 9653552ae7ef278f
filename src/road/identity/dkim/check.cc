#include "road/identity/dkim/check.h"

#include <algorithm>

namespace sekisho::dkim {
namespace {
using road::AuthResult;
using signature::Digest;
using signature::KeyError;
using signature::KeyRecord;
using signature::KeyType;
using signature::PublicKey;

constexpr std::size_t kMaxRecords = 16;   // TXT records looked at under one name
constexpr std::size_t kMaxKeys = 4;       // of them tried
constexpr unsigned kMinBits = 1024;       // RFC 8301 section 3.2
constexpr unsigned kMinLegacyBits = 512;  // RFC 4871 section 3.3.3

Refusal broken(std::string reason) { return {AuthResult::kPermError, std::move(reason)}; }
Refusal unwanted(std::string reason) { return {AuthResult::kPolicy, std::move(reason)}; }

Refusal refuse_key(KeyError error) {
  switch (error) {
    case KeyError::kVersion:
      return broken("the key record has another version");
    case KeyError::kUnknownType:
      return broken("the key is of an unknown type");
    case KeyError::kTooLong:
      return broken("the key record is too long");
    case KeyError::kRevoked:
      return broken("the key is revoked");
    case KeyError::kUnusable:
      return broken("the key record holds no usable key");
    case KeyError::kTooLarge:
      return unwanted("the key is larger than we check");
    case KeyError::kSyntax:
      break;
  }
  return broken("the key record cannot be read");
}

// RFC 4871 section 3.6.1, g=: one "*" stands for any octets.
bool granted(std::string_view pattern, std::string_view local) {
  const auto star = pattern.find('*');
  if (star == std::string_view::npos) return pattern == local;
  const auto head = pattern.substr(0, star), tail = pattern.substr(star + 1);
  return local.size() >= head.size() + tail.size() && local.starts_with(head) && local.ends_with(tail);
}

std::optional<Refusal> refuse_record(const KeyRecord& record, const Field& field, const Options& options) {
  if (record.type != field.key_type) return broken("the key is not of the type that a= needs");
  if (!record.allows(field.hash)) return broken("the key does not allow the hash of a=");
  if (!record.for_mail) return broken("the key is not for mail");
  // t=s: "the domain part of "i=" MUST NOT be a subdomain of "d=""
  if (record.strict_domain && field.agent_domain != field.shown.domain)
    return broken("the key does not allow i= in a subdomain");
  if (!options.legacy || !record.granularity) return {};
  // RFC 4871: "An empty "g=" value never matches any addresses"; a record without v= may be one of DomainKeys
  // (RFC 4870 section 3.2.3), where an empty g= allows all.
  if (record.granularity->empty() ? record.versioned : !granted(*record.granularity, field.agent_local))
    return broken("the key does not allow this i= (g=)");
  return {};
}

int weight(const Refusal& refusal) {
  return refusal.result == AuthResult::kFail ? 3 : refusal.result == AuthResult::kPolicy ? 2 : 1;
}

// Hashing costs a fraction of what a parser's step does, and a large mail must not be "too complex" for its size alone.
std::uint64_t body_steps(const mail::Message& message) { return message.body().size() / 16; }

// Lets through what l= allows and counts the rest.
class LimitedDigest final : public mail::BodySink {
 public:
  LimitedDigest(Digest& digest, std::optional<std::uint64_t> limit)
      : digest_(digest), left_(limit.value_or(UINT64_MAX)) {}
  void update(std::string_view octets) override {
    const auto now = std::min<std::uint64_t>(left_, octets.size());
    digest_.update(octets.substr(0, now));
    left_ -= now;
  }

 private:
  Digest& digest_;
  std::uint64_t left_;
};

std::optional<Refusal> refuse_limit(const Field& field, std::uint64_t size) {
  if (!field.body_limit || *field.body_limit == size) return {};
  // Section 3.5, l=: "MUST NOT be larger than the actual number of octets in the canonicalized message body".
  if (*field.body_limit > size) return broken("l= is beyond the end of the body");
  Refusal refusal = unwanted(std::to_string(size - *field.body_limit) + " octets of the body are not signed (l=)");
  refusal.finding = "dkim_l_partial";
  return refusal;
}

// What b= signs: the hash over the canonical header and the field itself without the value of b=. The first draft had
// no bh= but the body in the same hash, with a CRLF before and behind it.
std::optional<std::string> signed_hash(Field& field, const mail::Message& message, const signature::HeaderIndex& index,
                                       core::Budget& budget) {
  auto text =
      signature::canonical_fields(index, field.header, field.headers, field.header_canon, budget, &field.from_left);
  if (!text) return {};
  std::string own;
  signature::append_canonical_signature(field.header_canon, field.header->raw, field.signature_space, own);
  Digest digest(field.hash);
  digest.update(*text);
  if (field.draft00) {
    if (!budget.take_steps(body_steps(message))) return {};
    digest.update("\r\n");
    LimitedDigest limited(digest, field.body_limit);
    signature::BodyCanonicalizer body(field.body_canon, limited);
    message.body().hash_into(body);
    body.finish();
    digest.update("\r\n");
    field.body_size = body.size();
  }
  digest.update(own);
  return digest.finish();
}

// One key: nothing when it verifies the signature.
std::optional<Refusal> try_key(Field& field, const KeyRecord& record, const std::string& hash, const Options& options,
                               core::Budget& budget) {
  const auto key = PublicKey::load(record.type, record.key);
  if (!key) return refuse_key(key.error());
  const unsigned bits = (*key)->bits();
  field.shown.key_bits = bits;
  if (record.type == KeyType::kRsa && bits < (options.legacy ? kMinLegacyBits : kMinBits))
    return unwanted("an RSA key of " + std::to_string(bits) + " bits is not accepted (RFC 8301)");
  if (!budget.take_steps(static_cast<std::uint64_t>(bits) * bits / 100)) return unwanted("too complex");
  if (!(*key)->verify(field.hash, hash, field.signature))
    return Refusal{AuthResult::kFail, "the signature does not match the header"};
  return {};
}
}  // namespace

void check_signature(Field& field, std::span<const std::string> texts, const mail::Message& message,
                     const signature::HeaderIndex& index, const Options& options, core::Budget& budget) {
  std::optional<Refusal> worst;
  std::optional<std::string> hash;
  std::size_t keys = 0;
  // Section 6.1.2: "the Verifier may choose one of the key records or may cycle through the key records".
  for (const std::string& text : texts.first(std::min(texts.size(), kMaxRecords))) {
    const auto record = KeyRecord::parse(text, budget);
    std::optional<Refusal> refusal;
    if (!record) {
      refusal = refuse_key(record.error());
    } else if (++keys > kMaxKeys) {
      break;
    } else {
      field.shown.testing = field.shown.testing || record->testing;
      refusal = refuse_record(*record, field, options);
      if (!refusal && !hash) {
        hash = signed_hash(field, message, index, budget);
        if (!hash) refusal = unwanted("too complex");
      }
      if (!refusal) refusal = try_key(field, *record, *hash, options, budget);
      if (!refusal) {
        field.shown.testing = record->testing;
        return;
      }
    }
    if (!worst || weight(*refusal) > weight(*worst)) worst = std::move(refusal);
  }
  field.refusal = worst ? std::move(worst) : broken("no key in the DNS");
}

void check_bodies(std::vector<Field>& fields, const mail::Message& message, core::Budget& budget) {
  signature::BodyHasher hasher;
  std::vector<std::pair<Field*, std::size_t>> waiting;
  bool used[2][2] = {};
  for (Field& field : fields) {
    if (field.refusal) continue;
    if (field.draft00) {
      field.refusal = refuse_limit(field, field.body_size);
      continue;
    }
    bool& counted = used[static_cast<int>(field.body_canon)][static_cast<int>(field.hash)];
    if (!counted && !budget.take_steps(body_steps(message))) {
      field.refusal = unwanted("too complex");
      continue;
    }
    counted = true;
    waiting.emplace_back(&field, hasher.want(field.body_canon, field.hash, field.body_limit));
  }
  if (waiting.empty()) return;
  message.body().hash_into(hasher);
  hasher.finish();
  for (auto [field, wish] : waiting) {
    auto limit = refuse_limit(*field, hasher.size(field->body_canon));
    if (limit && limit->result == AuthResult::kPermError)
      field->refusal = std::move(limit);
    else if (hasher.hash(wish) != field->body_hash)
      field->refusal = Refusal{AuthResult::kFail, "the body hash does not match", limit ? limit->finding : ""};
    else
      field->refusal = std::move(limit);
  }
}

}  // namespace sekisho::dkim
