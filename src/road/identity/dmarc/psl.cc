#include "road/identity/dmarc/psl.h"

#include <libpsl.h>

namespace sekisho::dmarc {

void PublicSuffixList::Free::operator()(psl_ctx_st* list) const { psl_free(list); }

std::optional<PublicSuffixList> PublicSuffixList::system() {
  psl_ctx_t* list = psl_latest(nullptr);
  if (!list) return std::nullopt;
  return PublicSuffixList(list);
}

std::optional<PublicSuffixList> PublicSuffixList::load(const std::string& path) {
  psl_ctx_t* list = psl_load_file(path.c_str());
  if (!list) return std::nullopt;
  if (psl_suffix_count(list) == 0) {  // an empty or foreign file; a DAFSA file answers -1
    psl_free(list);
    return std::nullopt;
  }
  return PublicSuffixList(list);
}

// mail::Domain is lower case and made of A-labels, as libpsl wants it.
std::optional<mail::Domain> PublicSuffixList::organizational_domain(const mail::Domain& domain) const {
  const char* tail = psl_registrable_domain(list_.get(), domain.text().c_str());
  if (!tail) return std::nullopt;
  return mail::Domain::parse(tail);
}

bool PublicSuffixList::is_public_suffix(const mail::Domain& domain) const {
  return psl_is_public_suffix2(list_.get(), domain.text().c_str(), PSL_TYPE_ANY) != 0;
}

bool PublicSuffixList::is_registry_suffix(const mail::Domain& domain) const {
  const int type = PSL_TYPE_ICANN | PSL_TYPE_NO_STAR_RULE;
  return psl_is_public_suffix2(list_.get(), domain.text().c_str(), type) != 0;
}

}  // namespace sekisho::dmarc
