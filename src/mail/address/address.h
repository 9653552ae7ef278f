#pragma once
// Names of people and places in mail. Domain: A-labels, lower case, no final dot, at most 253 octets, each label 1..63
// of letters, digits, hyphen and underscore; U-labels are converted (IDNA 2008, UTS 46 non-transitional). Address: the
// local part as its owner wrote it, octet by octet, plus a Domain. Conversions are explicit and can fail; compare
// objects, never text tails.
#include <compare>
#include <optional>
#include <string>
#include <string_view>

#include "base/core/ip_address.h"
#include "base/core/result.h"
#include "base/dns/name.h"

namespace sekisho::mail {

class Domain {
 public:
  // Text as it stands in mail: ASCII or UTF-8, one optional final dot. Nothing for empty text, literals ("192.0.2.1"
  // too, RFC 1123 section 2.1), or bad labels.
  static std::optional<Domain> parse(std::string_view text);

  const std::string& text() const { return text_; }  // "xn--r8jz45g.example"
  std::string unicode() const;                       // for people; falls back to text()
  dns::Name name() const;                            // always succeeds
  std::optional<Domain> parent() const;              // without its first label; nothing for a single label
  std::size_t labels() const;
  bool is_at_or_below(const Domain& ancestor) const;  // by labels
  auto operator<=>(const Domain&) const = default;

 private:
  explicit Domain(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

enum class AddressError {
  kEmpty,      // nothing there
  kSyntax,     // not an address by RFC 5321 even with our leniency
  kLocalPart,  // local part with control characters
  kDomain,     // the domain is not a Domain
  kTooLong,    // over 254 octets
};

// The envelope and header form of one mailbox. Lenient on purpose (Japanese carriers' `a..b.@docomo.ne.jp`, unquoted
// dots anywhere are accepted and kept byte-exact; local parts over 64 octets too, as SRS and VERP make them); never
// lenient about CR, LF, NUL, spaces outside quotes, or a second '@' outside quotes.
class Address {
 public:
  // "local@domain" without angle brackets. Quoted local parts keep their quotes in local(). Address literals are
  // refused here.
  static core::Result<Address, AddressError> parse(std::string_view text);
  static Address make(std::string local, Domain domain) { return Address(std::move(local), std::move(domain)); }

  const std::string& local() const { return local_; }  // as written
  const Domain& domain() const { return domain_; }
  std::string text() const { return local_ + "@" + domain_.text(); }
  auto operator<=>(const Address&) const = default;

 private:
  Address(std::string local, Domain domain) : local_(std::move(local)), domain_(std::move(domain)) {}
  std::string local_;
  Domain domain_;
};

}  // namespace sekisho::mail
