#include <algorithm>

#include "base/core/text.h"
#include "road/identity/arc/field.h"

namespace sekisho::arc {
namespace {

using road::AuthResult;
using signature::Canon;
using signature::Digest;
using signature::Hash;
using signature::KeyRecord;
using signature::PublicKey;

constexpr unsigned kMinBits = 1024;  // RFC 8301 section 3.2
constexpr std::size_t kMaxRecords = 4;

struct Fault {
  AuthResult result = AuthResult::kFail;
  std::string reason;
};
using Faulty = std::optional<Fault>;

Faulty broken(const Signature& field, const std::string& why) {
  return Fault{AuthResult::kFail,
               (field.seal ? "seal " : "message signature ") + std::to_string(field.instance) + ": " + why};
}

using Keys = std::map<std::string, dns::AnswerPtr>;  // by wire name

core::Task<Keys> fetch_keys(const std::vector<const Signature*>& fields, dns::Resolver& resolver,
                            core::Budget& budget) {
  Keys keys;
  std::vector<core::Task<dns::AnswerPtr>> tasks;
  std::vector<std::string> asked;
  for (const Signature* field : fields) {
    const dns::Name& name = *field->key_name;
    auto& answer = keys[name.wire()];
    if (answer || std::find(asked.begin(), asked.end(), name.wire()) != asked.end()) continue;
    answer = resolver.ready(name, dns::Type::kTxt);
    if (answer) continue;
    asked.push_back(name.wire());
    tasks.push_back(resolver.lookup(name, dns::Type::kTxt, budget));
  }
  if (!tasks.empty()) {
    auto all = core::when_all(std::move(tasks));
    const auto got = co_await all;
    for (std::size_t i = 0; i < asked.size(); ++i) keys[asked[i]] = got[i];
  }
  co_return keys;
}

// The first key record that verifies decides; else the last one's fault.
Faulty check(const Signature& field, const std::string& hash, const Keys& keys, core::Budget& budget) {
  const dns::AnswerPtr& answer = keys.at(field.key_name->wire());
  if (answer->code == dns::Code::kNotAllowed) return broken(field, "too many DNS queries");
  if (answer->code == dns::Code::kNoData || answer->code == dns::Code::kNxDomain)
    return broken(field, "no key in the DNS");
  if (answer->code != dns::Code::kRecords) {
    auto fault = broken(field, "the DNS did not answer for the key");
    fault->result = AuthResult::kTempError;
    return fault;
  }
  Faulty last = broken(field, "the key record cannot be used");
  for (std::size_t i = 0; i < std::min(answer->texts.size(), kMaxRecords); ++i) {
    const auto record = KeyRecord::parse(answer->texts[i], budget);
    if (!record || record->type != field.key_type || !record->allows(Hash::kSha256) || !record->for_mail) continue;
    const auto key = PublicKey::load(record->type, record->key);
    if (!key) continue;
    const unsigned bits = (*key)->bits();
    if (record->type == signature::KeyType::kRsa && bits < kMinBits) {
      last = broken(field, "an RSA key of " + std::to_string(bits) + " bits is not accepted (RFC 8301)");
      continue;
    }
    if (!budget.take_steps(static_cast<std::uint64_t>(bits) * bits / 100)) return broken(field, "too complex");
    if ((*key)->verify(Hash::kSha256, hash, field.octets)) return {};
    last = broken(field, "the signature does not match");
  }
  return last;
}

Faulty check_message_signature(const Signature& field, const mail::Message& message, const Keys& keys,
                               core::Budget& budget) {
  const signature::HeaderIndex index(message);
  const auto text =
      signature::canonical_fields(index, field.header, field.headers, field.header_canon, budget, nullptr);
  if (!text || !budget.take_steps(message.body().size() / 16)) return broken(field, "too complex");
  std::string own;
  signature::append_canonical_signature(field.header_canon, field.header->raw, field.signature_space, own);
  Digest digest(Hash::kSha256);
  digest.update(*text);
  digest.update(own);
  if (auto fault = check(field, digest.finish(), keys, budget)) return fault;
  signature::BodyHasher hasher;
  const auto wish = hasher.want(field.body_canon, Hash::kSha256, field.body_limit);
  message.body().hash_into(hasher);
  hasher.finish();
  if (hasher.hash(wish) != field.body_hash) return broken(field, "the body hash does not match");
  if (field.body_limit && *field.body_limit != hasher.size(field.body_canon))
    return broken(field, "l= does not cover the whole body");
  return {};
}

Faulty check_seals(const Chain& chain, const Keys& keys, core::Budget& budget) {
  std::string older;
  for (const auto& link : chain.links) {
    const std::string text = sealed_text(older, link.results_header->raw, link.message_signature.header->raw,
                                         link.seal.header->raw, link.seal.signature_space);
    if (!budget.take_steps(text.size() / 4)) return broken(link.seal, "too complex");
    Digest digest(Hash::kSha256);
    digest.update(text);
    if (auto fault = check(link.seal, digest.finish(), keys, budget)) return fault;
    for (const auto* header : {link.results_header, link.message_signature.header, link.seal.header})
      signature::append_canonical(Canon::kRelaxed, header->raw, older);
  }
  return {};
}

// What can be said without keys (section 5.2 steps 2 and 3).
Faulty check_structure(const Chain& chain) {
  if (!chain.fault.empty()) return Fault{AuthResult::kFail, chain.fault};
  const auto& newest = chain.links.back();
  if (newest.seal.fault.empty() && newest.seal.cv == Cv::kFail)
    return Fault{AuthResult::kFail, "the newest seal (" + newest.seal.domain->text() + ") says cv=fail"};
  for (const auto& link : chain.links) {
    if (!link.seal.fault.empty()) return broken(link.seal, link.seal.fault);
    if (link.seal.cv != (link.seal.instance == 1 ? Cv::kNone : Cv::kPass))
      return broken(link.seal, "cv= is wrong for its place");
  }
  // Older message signatures may be anything: later handlers changed the mail (step 5 is optional).
  if (!newest.message_signature.fault.empty()) return broken(newest.message_signature, newest.message_signature.fault);
  return {};
}

std::string key_of(const Signature& field) { return field.key_name ? field.key_name->text() : ""; }

}  // namespace

core::Task<Evaluation> verify(const mail::Message& message, dns::Resolver& resolver, const Options& options,
                              core::Budget& budget) {
  Evaluation out;
  const Chain chain = read_chain(message, options, budget);
  out.instance = chain.highest;
  if (chain.highest == 0) {
    out.reason = "no ARC fields";
    co_return out;
  }
  Faulty fault = check_structure(chain);
  out.sealable = chain.links.empty() || chain.links.back().seal.cv != Cv::kFail;
  if (!fault) {
    std::vector<const Signature*> fields{&chain.links.back().message_signature};
    for (const auto& link : chain.links) fields.push_back(&link.seal);
    auto fetching = fetch_keys(fields, resolver, budget);
    const Keys keys = co_await fetching;
    if (!options.changed_since)
      fault = check_message_signature(chain.links.back().message_signature, message, keys, budget);
    if (!fault) fault = check_seals(chain, keys, budget);
  }
  for (const auto& link : chain.links)
    out.sets.push_back({link.seal.instance, link.seal.domain ? link.seal.domain->text() : "",
                        link.message_signature.domain ? link.message_signature.domain->text() : "",
                        std::string(link.results.payload), key_of(link.seal), key_of(link.message_signature)});
  out.result = fault ? fault->result : AuthResult::kPass;
  out.reason =
      fault ? fault->reason : std::to_string(chain.highest) + (chain.highest == 1 ? " good set" : " good sets");
  if (fault)
    out.findings.push_back(
        {"arc", fault->result == AuthResult::kTempError ? "arc_temperror" : "arc_fail", fault->result, out.reason});
  co_return out;
}

const Set* vouching_set(const Evaluation& chain, const mail::Domain& author_domain, const std::vector<Trusted>& trusted,
                        core::Budget& budget) {
  if (chain.result != AuthResult::kPass) return nullptr;
  const Set* found = nullptr;
  for (auto set = chain.sets.rbegin(); set != chain.sets.rend(); ++set) {
    const auto sealer = mail::Domain::parse(set->sealer);
    const bool known =
        std::any_of(trusted.begin(), trusted.end(), [&](const Trusted& t) { return t.sealer == sealer; });
    if (!known) break;
    const auto results = authres::parse(set->results, budget);
    if (!results) continue;
    for (const auto& result : results->results) {
      const auto* from = result.find("header", "from");
      if (result.method == "dmarc" && result.result == "pass" && from &&
          mail::Domain::parse(from->value) == author_domain)
        found = &*set;
    }
  }
  return found;
}

}  // namespace sekisho::arc
