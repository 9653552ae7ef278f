// Alignment compares Domains, never text with a Domain.
// refused: no match for|invalid operands
#include "mail/address/address.h"

using sekisho::mail::Domain;

bool aligned(const Domain& author, const Domain& signer, const std::string& text) {
#ifdef CONTROL
  return author == signer && signer.text() == text;
#else
  return author == text && author == signer;
#endif
}
