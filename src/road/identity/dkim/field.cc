#include "road/identity/dkim/field.h"

#include <algorithm>

#include "base/core/text.h"

namespace sekisho::dkim {
namespace {
using road::AuthResult;
using signature::Canon;
using signature::Hash;
using signature::KeyType;
using signature::TagList;
using Refused = std::optional<Refusal>;

constexpr std::size_t kMaxHeaders = 1000;            // names in h=
constexpr std::uint64_t kMaxTime = 999'999'999'999;  // "MUST NOT be larger than ... 12 digits"

Refused malformed(std::string reason) { return Refusal{AuthResult::kPermError, std::move(reason)}; }
Refused not_taken(std::string reason, std::string_view finding = {}) {
  return Refusal{AuthResult::kPolicy, std::move(reason), finding};
}

struct Reader {
  const TagList& tags;
  const Options& options;
  Field& field;

  // RFC 6376 section 3.5: v= is REQUIRED and "1"; drafts had none or 0.5.
  Refused version() const {
    const auto v = tags.value("v");
    if (v == "1" || (options.legacy && (!v || v == "0.5"))) return {};
    return malformed(v ? "v=" + core::printable(*v, 40) + " is not a known version" : "v= is missing");
  }

  Refused algorithm() const {
    const auto a = tags.value("a");
    if (!a) return malformed("a= is missing");
    if (core::iequals(*a, "rsa-sha256")) {
      field.shown.algorithm = "rsa-sha256";
    } else if (core::iequals(*a, "ed25519-sha256")) {
      field.key_type = KeyType::kEd25519;
      field.shown.algorithm = "ed25519-sha256";
    } else if (core::iequals(*a, "rsa-sha1")) {
      field.hash = Hash::kSha1;
      field.shown.algorithm = "rsa-sha1";
    } else {
      return malformed("a=" + core::printable(*a, 40) + " is not a known algorithm");
    }
    return {};
  }

  static std::optional<Canon> canon(std::string_view word) {
    if (core::iequals(word, "simple")) return Canon::kSimple;
    if (core::iequals(word, "relaxed")) return Canon::kRelaxed;
    return {};
  }
  // "If only one algorithm is named, that algorithm is used for the header and "simple" is used for the body."
  Refused canonicalization() const {
    const auto c = tags.value("c").value_or("simple");
    const auto slash = c.find('/');
    const auto header = canon(core::trim_fws(c.substr(0, slash)));
    const auto body = slash == std::string_view::npos ? Canon::kSimple : canon(core::trim_fws(c.substr(slash + 1)));
    if (!header || !body) return malformed("c=" + core::printable(c, 40) + " is not a known canonical form");
    field.header_canon = *header;
    field.body_canon = *body;
    return {};
  }

  // Nothing of d= and s= goes to the DNS that is not a name of letters, digits, hyphens and underscores.
  Refused domain() const {
    const auto d = tags.value("d"), s = tags.value("s");
    if (!d) return malformed("d= is missing");
    const auto domain = d->ends_with('.') ? std::nullopt : mail::Domain::parse(*d);
    if (!domain) return malformed("d=" + core::printable(*d, 80) + " is not a domain name");
    field.shown.domain = domain;
    field.shown.signing_domain = domain->text();
    if (!s) return malformed("s= is missing");
    const auto name = signature::record_name(*s, *domain);
    if (!name) return malformed("s=" + core::printable(*s, 80) + " is not a selector");
    const std::string& text = name->text();
    field.shown.selector =
        text.substr(0, text.size() - domain->text().size() - std::string_view("._domainkey.").size());
    field.key_name = name->name();
    // domain-name = sub-domain 1*("." sub-domain)
    if (domain->labels() < 2) return malformed("d=" + domain->text() + " is a single label");
    return {};
  }

  // "the domain part of this tag MUST be the same as or a subdomain of the value of the d= tag"
  Refused agent() const {
    const auto i = tags.value("i");
    if (!i) {
      field.agent_domain = field.shown.domain;
      if (field.agent_domain) field.shown.agent_id = "@" + field.agent_domain->text();
      return {};
    }
    const auto text = signature::decode_quoted(*i);
    const auto at = text ? text->rfind('@') : std::string::npos;
    if (at == std::string::npos) return malformed("i=" + core::printable(*i, 80) + " is not an identity");
    const auto domain = mail::Domain::parse(std::string_view(*text).substr(at + 1));
    const bool control = std::any_of(text->begin(), text->end(),
                                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
    if (!domain || control || text->ends_with('.'))
      return malformed("i=" + core::printable(*text, 80) + " is not an identity");
    field.agent_local = text->substr(0, at);
    field.agent_domain = domain;
    field.shown.agent_id = field.agent_local + "@" + domain->text();
    if (field.shown.domain && !domain->is_at_or_below(*field.shown.domain))
      return malformed("i= is in " + domain->text() + ", outside d=" + field.shown.signing_domain);
    return {};
  }

  Refused headers() const {
    const auto h = tags.value("h");
    if (!h) return malformed("h= is missing");
    field.headers = signature::split_colons(*h);
    if (field.headers.size() > kMaxHeaders) return malformed("h= has too many names");
    bool from = false;
    for (std::string_view name : field.headers) {
      // ftext, RFC 5322 section 3.6.8, without ";"
      if (name.empty() || std::any_of(name.begin(), name.end(), [](char c) { return c <= 0x20 || c >= 0x7f; }))
        return malformed("h= is not a list of field names");
      from = from || core::iequals(name, "from");
    }
    // Section 5.4: "The From header field MUST be signed".
    return from ? Refused{} : malformed("h= lacks From");
  }

  Refused hashes() const {
    const auto bh = tags.value("bh");
    const std::size_t want = field.hash == Hash::kSha1 ? 20 : 32;
    if (!bh) {
      field.draft00 = options.legacy && field.hash == Hash::kSha1 && field.key_type == KeyType::kRsa;
      return field.draft00 ? Refused{} : malformed("bh= is missing");
    }
    auto octets = core::unbase64(*bh, true);
    if (!octets) return malformed("bh= is not base64");
    if (octets->size() != want) return malformed("bh= is not a hash of " + std::to_string(want) + " octets");
    field.body_hash = std::move(*octets);
    return {};
  }

  Refused signature_octets() const {
    const signature::Tag* b = tags.find("b");
    if (!b) return malformed("b= is missing");
    field.signature_space = b->space;
    if (b->value.empty()) return malformed("b= is empty");
    auto octets = core::unbase64(b->value, true);
    if (!octets) return malformed("b= is not base64");
    field.shown.signature_head = signature::without_fws(b->value.substr(0, 100));
    // No key we know makes fewer: 512-bit RSA and Ed25519 both give 64 octets. Saves the look-up.
    if (octets->size() < 64) return malformed("b= is too short to be a signature");
    field.signature = std::move(*octets);
    return {};
  }

  Refused limit() const {
    const auto l = tags.value("l");
    if (!l) return {};
    field.body_limit = core::parse_uint(*l);
    return field.body_limit ? Refused{} : malformed("l= is not a length");
  }

  // "dns/txt" is what there is; drafts said "dns". Unknown methods are ignored, but one must be known.
  Refused query() const {
    const auto q = tags.value("q");
    if (!q) return {};
    for (std::string_view method : signature::split_colons(*q))
      if (core::iequals(method, "dns/txt") || (options.legacy && core::iequals(method, "dns"))) return {};
    return malformed("q=" + core::printable(*q, 40) + " is not a known query method");
  }

  Refused times() const {
    const auto t = tags.value("t"), x = tags.value("x");
    const auto signed_s = t ? core::parse_uint(*t, kMaxTime) : std::nullopt;
    const auto expires_s = x ? core::parse_uint(*x, kMaxTime) : std::nullopt;
    if (t && !signed_s) return malformed("t= is not a time");
    if (x && !expires_s) return malformed("x= is not a time");
    // "The value of the "x=" tag MUST be greater than the value of the "t=" tag if both are present."
    if (t && x && *expires_s <= *signed_s) return malformed("x= is not after t=");
    const std::int64_t now = options.now_s;
    if (x && static_cast<std::int64_t>(*expires_s) + options.skew_s < now)
      return not_taken("expired " + std::to_string(now - static_cast<std::int64_t>(*expires_s)) + " s ago",
                       "dkim_expired");
    if (!t) return {};
    const auto at = static_cast<std::int64_t>(*signed_s);
    if (at > now + options.skew_s) return not_taken("signed " + std::to_string(at - now) + " s in the future");
    if (options.max_age_s > 0 && at + options.max_age_s < now)
      return not_taken("signed " + std::to_string(now - at) + " s ago, which is too old");
    return {};
  }

  // RFC 8301 section 3.1: "rsa-sha1 MUST NOT be used for signing or verifying."
  Refused sha1() const {
    if (field.hash == Hash::kSha1 && !options.legacy) return not_taken("rsa-sha1 is not accepted (RFC 8301)");
    return {};
  }
};
}  // namespace

Field read_field(const mail::HeaderField& header, const Options& options, core::Budget& budget) {
  Field field;
  field.header = &header;
  const auto tags = TagList::parse(header.value, budget);
  if (!tags) {
    switch (tags.error()) {
      case signature::TagError::kSyntax:
        field.refusal = malformed("not a tag list");
        break;
      case signature::TagError::kDuplicate:
        field.refusal = malformed("a tag is given twice");
        break;
      case signature::TagError::kTooComplex:
        field.refusal = not_taken("too complex");
        break;
    }
    return field;
  }
  const Reader reader{*tags, options, field};
  // All are run, so that as much as possible can be shown; the first refusal stands. Policy comes after syntax.
  for (const auto step : {&Reader::version, &Reader::algorithm, &Reader::canonicalization, &Reader::domain,
                          &Reader::agent, &Reader::headers, &Reader::hashes, &Reader::signature_octets, &Reader::limit,
                          &Reader::query, &Reader::times, &Reader::sha1}) {
    auto refusal = (reader.*step)();
    if (refusal && !field.refusal) field.refusal = std::move(refusal);
  }
  return field;
}

}  // namespace sekisho::dkim
