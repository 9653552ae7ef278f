#pragma once
// The public suffix list: where registries end and organisations begin (RFC 7489 section 3.2). Wildcard and exception
// rules, ICANN and private sections; a top-level domain that is not listed counts as a suffix. Immutable once made,
// thread-safe.
#include <memory>
#include <optional>
#include <string>

#include "mail/address/address.h"

struct psl_ctx_st;

namespace sekisho::dmarc {

class PublicSuffixList {
 public:
  // The list of the system (package publicsuffix), or the one built into libpsl when there is none.
  static std::optional<PublicSuffixList> system();
  // A list file in the format of publicsuffix.org or in DAFSA form. Nothing when it cannot be read.
  static std::optional<PublicSuffixList> load(const std::string& path);

  // The suffix and one label more. Nothing for a name that is itself a suffix.
  std::optional<mail::Domain> organizational_domain(const mail::Domain& domain) const;
  bool is_public_suffix(const mail::Domain& domain) const;
  // Only what a registry listed (ICANN section, no default rule): the names under which strangers live side by side.
  bool is_registry_suffix(const mail::Domain& domain) const;

 private:
  struct Free {
    void operator()(psl_ctx_st* list) const;
  };
  explicit PublicSuffixList(psl_ctx_st* list) : list_(list) {}
  std::unique_ptr<psl_ctx_st, Free> list_;
};

}  // namespace sekisho::dmarc
