#include <algorithm>

#include "base/core/text.h"
#include "road/identity/dkim/check.h"
#include "road/identity/signature/fold.h"

namespace sekisho::dkim {
namespace {
using signature::Canon;
using signature::Folder;
using signature::Hash;
using signature::KeyType;

struct Listed {
  std::string_view name;
  bool oversigned;  // one more than is there, so that nobody can add one (RFC 6376 section 8.15)
};
// RFC 6376 section 5.4.1, without trace fields, which change on the way.
constexpr Listed kListed[] = {{"From", true},
                              {"Sender", false},
                              {"Reply-To", true},
                              {"Subject", true},
                              {"Date", true},
                              {"Message-ID", true},
                              {"To", true},
                              {"Cc", true},
                              {"MIME-Version", true},
                              {"Content-Type", true},
                              {"Content-Transfer-Encoding", true},
                              {"Content-ID", false},
                              {"Content-Description", false},
                              {"Resent-Date", false},
                              {"Resent-From", false},
                              {"Resent-Sender", false},
                              {"Resent-To", false},
                              {"Resent-Cc", false},
                              {"Resent-Message-ID", false},
                              {"In-Reply-To", false},
                              {"References", false},
                              {"List-Id", false},
                              {"List-Help", false},
                              {"List-Unsubscribe", false},
                              {"List-Unsubscribe-Post", false},
                              {"List-Subscribe", false},
                              {"List-Post", false},
                              {"List-Owner", false},
                              {"List-Archive", false}};

std::vector<std::string> choose_headers(const mail::Message& message, const SignOptions& options) {
  std::vector<std::string> names = options.headers;
  if (names.empty()) {
    for (const Listed& listed : kListed) {
      const std::size_t there = message.all(listed.name).size();
      names.insert(names.end(), there + (listed.oversigned ? 1 : 0), std::string(listed.name));
    }
  }
  const bool from = std::any_of(names.begin(), names.end(), [](const auto& n) { return core::iequals(n, "from"); });
  if (!from) names.insert(names.begin(), "From");
  return names;
}

std::string quote_agent(std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (char c : text) {
    const auto octet = static_cast<unsigned char>(c);
    // dkim-safe-char: %x21-3A / %x3C / %x3E-7E
    if (octet <= 0x20 || octet >= 0x7f || c == ';' || c == '=')
      out += {'=', kHex[octet >> 4], kHex[octet & 15]};
    else
      out += c;
  }
  return out;
}

bool usable(const SignOptions& options, const std::vector<std::string>& names) {
  for (const auto& name : names)
    if (name.empty() ||
        std::any_of(name.begin(), name.end(), [](char c) { return c <= 0x20 || c >= 0x7f || c == ':' || c == ';'; }))
      return false;
  if (options.agent_id) {
    const auto at = options.agent_id->rfind('@');
    if (at == std::string::npos) return false;
    const auto domain = mail::Domain::parse(std::string_view(*options.agent_id).substr(at + 1));
    if (!domain || !domain->is_at_or_below(options.domain)) return false;
  }
  if (options.now_s && (*options.now_s < 0 || (options.expires_s && *options.expires_s <= *options.now_s)))
    return false;
  return signature::record_name(options.selector, options.domain).has_value();
}

std::string_view word(Canon canon) { return canon == Canon::kSimple ? "simple" : "relaxed"; }

std::string algorithm(KeyType type, Hash hash) {
  return type == KeyType::kEd25519 ? "ed25519-sha256" : hash == Hash::kSha1 ? "rsa-sha1" : "rsa-sha256";
}

// Everything up to and with "b=".
Folder unsigned_field(const SignOptions& options, KeyType type, const std::vector<std::string>& names,
                      std::string_view body_hash) {
  Folder out("DKIM-Signature:");
  out.word("v=1;");
  out.word("a=" + algorithm(type, options.hash) + ";");
  out.word("c=" + std::string(word(options.header_canon)) + "/" + std::string(word(options.body_canon)) + ";");
  out.word("d=" + options.domain.text() + ";");
  out.word("s=" + options.selector + ";");
  if (options.agent_id) out.word("i=" + quote_agent(*options.agent_id) + ";");
  if (options.now_s) out.word("t=" + std::to_string(*options.now_s) + ";");
  if (options.expires_s) out.word("x=" + std::to_string(*options.expires_s) + ";");
  if (options.body_limit) out.word("l=" + std::to_string(*options.body_limit) + ";");
  out.word("h=");
  for (std::size_t i = 0; i < names.size(); ++i)
    out.more(core::to_lower(names[i]) + (i + 1 < names.size() ? ":" : ";"));
  out.word("bh=" + core::base64(body_hash) + ";");
  out.word("b=");
  return out;
}

struct Plan {
  std::vector<std::string> names;
  std::size_t wish;
};

core::Result<std::string, SignError> sign_one(const signature::HeaderIndex& index, const SignWith& with,
                                              const Plan& plan, const signature::BodyHasher& hasher) {
  const SignOptions& options = with.options;
  if (options.body_limit && *options.body_limit > hasher.size(options.body_canon))
    return core::error(SignError::kOptions);
  Folder field = unsigned_field(options, with.key->type(), plan.names, hasher.hash(plan.wish));
  core::Budget budget;
  const std::vector<std::string_view> views(plan.names.begin(), plan.names.end());
  const auto header = signature::canonical_fields(index, nullptr, views, options.header_canon, budget, nullptr);
  if (!header) return core::error(SignError::kTooComplex);
  std::string own;
  signature::append_canonical_signature(options.header_canon, field.text(), {}, own);
  signature::Digest digest(options.hash);
  digest.update(*header);
  digest.update(own);
  const auto octets = with.key->sign(options.hash, digest.finish());
  if (!octets) return core::error(SignError::kKey);
  field.octets(core::base64(*octets));
  return field.text() + "\r\n";
}
}  // namespace

core::Result<std::string, SignError> sign_all(const mail::Message& message, const std::vector<SignWith>& with) {
  if (!message.first("From")) return core::error(SignError::kNoFrom);
  signature::BodyHasher hasher;
  std::vector<Plan> plans;
  for (const auto& [key, options] : with) {
    plans.push_back({choose_headers(message, options), 0});
    if (!usable(options, plans.back().names)) return core::error(SignError::kOptions);
    if (key->type() == KeyType::kEd25519 && options.hash == Hash::kSha1) return core::error(SignError::kKey);
    plans.back().wish = hasher.want(options.body_canon, options.hash, options.body_limit);
  }
  message.body().hash_into(hasher);
  hasher.finish();
  const signature::HeaderIndex index(message);
  std::string fields;
  for (std::size_t i = 0; i < with.size(); ++i) {
    const auto field = sign_one(index, with[i], plans[i], hasher);
    if (!field) return field;
    fields += *field;
  }
  return fields;
}

core::Result<std::string, SignError> sign(const mail::Message& message, const signature::PrivateKey& key,
                                          const SignOptions& options) {
  return sign_all(message, {SignWith{&key, options}});
}

}  // namespace sekisho::dkim
