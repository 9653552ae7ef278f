#include <algorithm>

#include "base/core/text.h"
#include "road/identity/domainkeys/canonicalize.h"

namespace sekisho::domainkeys {
namespace {

using road::AuthResult;
using signature::KeyRecord;
using signature::PublicKey;
using signature::TagList;

constexpr std::size_t kMaxRecords = 4, kMaxHeaders = 1000;
constexpr unsigned kMinBits = 1024, kMinLegacyBits = 512;

struct Field {
  Verification shown;
  std::size_t index = 0;  // into fields()
  std::optional<mail::Domain> domain;
  std::optional<dns::Name> key_name;
  Canon canon = Canon::kSimple;
  std::string octets;
  std::optional<std::vector<std::string>> names;  // h=, lower case
};

bool refuse(Field& field, AuthResult result, std::string reason) {
  field.shown.result = result;
  field.shown.reason = std::move(reason);
  return false;
}
bool broken(Field& field, std::string reason) { return refuse(field, AuthResult::kPermError, std::move(reason)); }

bool read_names(Field& field, std::string_view h) {
  const auto parts = signature::split_colons(h, kMaxHeaders + 1);
  if (parts.size() > kMaxHeaders) return broken(field, "h= has too many names");
  field.names.emplace();
  for (std::string_view part : parts) field.names->push_back(core::to_lower(std::string(part)));
  return true;
}

// Section 3.3.
bool read_field(Field& field, std::string_view value, core::Budget& budget) {
  const auto tags = TagList::parse(value, budget);
  if (!tags) return broken(field, "not a tag list");
  const auto a = tags->value("a").value_or("rsa-sha1");
  field.shown.algorithm = core::printable(a, 40);
  const auto d = tags->value("d"), s = tags->value("s"), b = tags->value("b"), q = tags->value("q");
  const auto c = tags->value("c").value_or("simple");
  if (!d || !s || !b) return broken(field, !d ? "d= is missing" : !s ? "s= is missing" : "b= is missing");
  field.domain = d->ends_with('.') ? std::nullopt : mail::Domain::parse(*d);
  if (!field.domain || field.domain->labels() < 2)
    return broken(field, "d=" + core::printable(*d, 80) + " is not a domain name");
  field.shown.signing_domain = field.domain->text();
  const auto name = signature::record_name(*s, *field.domain);
  if (!name) return broken(field, "s=" + core::printable(*s, 80) + " is not a selector");
  field.shown.selector = core::to_lower(std::string(*s));
  field.key_name = name->name();
  if (!core::iequals(a, "rsa-sha1")) return broken(field, "a=" + field.shown.algorithm + " is not a known algorithm");
  // Section 3.3 wants q=; many signers left it out, and there has never been another method.
  if (q && !core::iequals(*q, "dns")) return broken(field, "q= is not dns");
  if (core::iequals(c, "nofws"))
    field.canon = Canon::kNofws;
  else if (!core::iequals(c, "simple"))
    return broken(field, "c=" + core::printable(c, 40) + " is not a known canonical form");
  auto octets = core::unbase64(*b, true);
  if (!octets || octets->size() < 64) return broken(field, "b= is no signature");
  field.octets = std::move(*octets);
  const auto h = tags->value("h");
  return !h || read_names(field, *h);
}

// Section 3.2.1: the signature must cover the address it speaks for, and d= must be its domain or one above.
bool fits_sender(Field& field, const Sender& sender, const mail::Message& message) {
  if (!sender.field || !sender.address) return broken(field, "no sending address in Sender or From");
  const auto at = static_cast<std::size_t>(sender.field - message.fields().data());
  const bool listed = !field.names || std::find(field.names->begin(), field.names->end(),
                                                core::to_lower(sender.header)) != field.names->end();
  if (at < field.index || !listed) return broken(field, sender.header + " is not signed");
  if (message.all(sender.header).size() > 1) return broken(field, "more than one " + sender.header + " field");
  if (!sender.address->domain().is_at_or_below(*field.domain))
    return broken(field, sender.header + " is in " + sender.address->domain().text() + ", outside d=");
  return true;
}

// RFC 4870 section 3.2.3: g= "MUST exactly match the local part of the sending address". One "*" stands for any octets,
// as in RFC 4871 section 3.6.1: keys served both.
bool granted(std::string_view pattern, std::string_view local) {
  const auto star = pattern.find('*');
  if (star == std::string_view::npos) return pattern == local;
  const auto head = pattern.substr(0, star), tail = pattern.substr(star + 1);
  return local.size() >= head.size() + tail.size() && local.starts_with(head) && local.ends_with(tail);
}

bool check_record(Field& field, std::string_view text, const std::string& digest, const Sender& sender,
                  const Options& options, core::Budget& budget) {
  const auto record = KeyRecord::parse(text, budget);
  if (!record)
    return broken(field, record.error() == signature::KeyError::kRevoked ? "the key is revoked"
                                                                         : "the key record cannot be read");
  if (record->type != signature::KeyType::kRsa) return broken(field, "the key is not RSA");
  field.shown.testing = record->testing;
  // RFC 6376 section 3.6.1: a key that also serves DKIM keeps its owner's limits here.
  if (!record->allows_sha1) return broken(field, "the key does not allow the hash");
  if (!record->for_mail) return broken(field, "the key is not for mail");
  if (record->strict_domain && sender.address->domain() != *field.domain)
    return broken(field, "the key does not allow an address in a subdomain");
  // Section 3.2.3, g=: the local part it may sign for; empty or absent: any.
  if (record->granularity && !record->granularity->empty() && !granted(*record->granularity, sender.address->local()))
    return broken(field, "the key does not allow this local part (g=)");
  const auto key = PublicKey::load(record->type, record->key);
  if (!key) return broken(field, "the key record holds no usable key");
  field.shown.key_bits = (*key)->bits();
  if (field.shown.key_bits < (options.legacy ? kMinLegacyBits : kMinBits))
    return refuse(field, AuthResult::kPolicy,
                  "an RSA key of " + std::to_string(field.shown.key_bits) + " bits is not accepted");
  if (!budget.take_steps(static_cast<std::uint64_t>(field.shown.key_bits) * field.shown.key_bits / 100))
    return refuse(field, AuthResult::kPolicy, "too complex");
  if (!(*key)->verify(signature::Hash::kSha1, digest, field.octets))
    return refuse(field, AuthResult::kFail, "the signature does not match");
  field.shown.result = AuthResult::kPass;
  field.shown.reason = "good signature";
  return true;
}

bool check_answer(Field& field, const dns::Answer& answer) {
  if (answer.code == dns::Code::kRecords) return true;
  if (answer.code == dns::Code::kNoData || answer.code == dns::Code::kNxDomain)
    return broken(field, "no key in the DNS");
  if (answer.code == dns::Code::kNotAllowed) return refuse(field, AuthResult::kPolicy, "too many DNS queries");
  return refuse(field, AuthResult::kTempError, "the DNS did not answer for the key");
}

std::vector<Field> read_fields(const mail::Message& message, const Sender& sender, const Options& options,
                               core::Budget& budget) {
  std::vector<Field> out;
  const auto& fields = message.fields();
  for (std::size_t i = 0; i < fields.size() && out.size() < options.max_signatures; ++i) {
    if (!core::iequals(fields[i].name, "DomainKey-Signature")) continue;
    Field& field = out.emplace_back();
    field.index = i;
    if (read_field(field, fields[i].value, budget)) fits_sender(field, sender, message);
  }
  return out;
}

core::Task<std::optional<Policy>> ask_policy(mail::Domain domain, dns::Resolver& resolver, core::Budget& budget) {
  const auto name = mail::Domain::parse("_domainkey." + domain.text());
  if (!name) co_return std::nullopt;
  auto asking = resolver.lookup(name->name(), dns::Type::kTxt, budget);
  const auto answer = co_await asking;
  if (answer->code != dns::Code::kRecords) co_return std::nullopt;
  for (const auto& text : answer->texts)
    if (auto policy = parse_policy(text, budget)) co_return policy;
  co_return std::nullopt;
}

void settle(Evaluation& out) {
  const auto passed = [](const Verification& v) { return v.result == AuthResult::kPass; };
  const auto good = std::find_if(out.signatures.begin(), out.signatures.end(), passed);
  const auto& deciding = good != out.signatures.end() ? *good : out.signatures.front();
  out.result = deciding.result;
  out.reason = deciding.reason;
  if (good != out.signatures.end() || deciding.testing) return;
  const std::string_view code = out.result == AuthResult::kFail        ? "domainkeys_fail"
                                : out.result == AuthResult::kTempError ? "domainkeys_temperror"
                                                                       : "domainkeys_permerror";
  out.findings.push_back({"domainkeys", code, out.result,
                          (deciding.signing_domain.empty() ? "?" : deciding.signing_domain) + ", " + deciding.reason});
}

}  // namespace

// Section 3.6: "o=~" (some mail is signed, the default) or "o=-" (all is), t=y, r=, n=.
std::optional<Policy> parse_policy(std::string_view text, core::Budget& budget) {
  const auto tags = TagList::parse(text, budget);
  if (!tags || tags->value("p") || (!tags->value("o") && !tags->value("t") && !tags->value("r") && !tags->value("n")))
    return {};
  Policy policy;
  policy.found = true;
  policy.signs_all = tags->value("o") == "-";
  policy.testing = tags->value("t") == "y";
  if (const auto r = tags->value("r")) policy.contact = core::printable(*r, 254);
  return policy;
}

core::Task<Evaluation> verify(const mail::Message& message, dns::Resolver& resolver, const Options& options,
                              core::Budget& budget) {
  Evaluation out;
  const Sender sender = find_sender(message, budget);
  out.sending_address = sender.address;
  out.header = sender.header;
  auto fields = read_fields(message, sender, options, budget);
  for (Field& field : fields) {
    if (field.shown.result == AuthResult::kNone) {
      auto asking = resolver.lookup(*field.key_name, dns::Type::kTxt, budget);
      const auto answer = co_await asking;
      if (check_answer(field, *answer)) {
        const auto digest =
            signed_digest(message, field.index + 1, field.names ? &*field.names : nullptr, field.canon, budget);
        if (!digest) refuse(field, AuthResult::kPolicy, "too complex");
        for (std::size_t i = 0; digest && i < std::min(answer->texts.size(), kMaxRecords); ++i)
          if (check_record(field, answer->texts[i], *digest, sender, options, budget)) break;
      }
    }
    out.signatures.push_back(field.shown);
  }
  if (out.signatures.empty())
    out.reason = "no DomainKeys signature";
  else
    settle(out);
  if (options.ask_policy && out.result != AuthResult::kPass && sender.address) {
    out.policy = co_await ask_policy(sender.address->domain(), resolver, budget);
    if (out.policy && out.policy->signs_all && !out.policy->testing)
      out.findings.push_back({"domainkeys", "domainkeys_unsigned", AuthResult::kFail, sender.address->domain().text()});
  }
  co_return out;
}

}  // namespace sekisho::domainkeys
