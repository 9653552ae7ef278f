// Domains and addresses: one form, stable under parsing again.
// covers: address.cc domain.cc utf8.cc
#include <cstdlib>

#include "mail/address/address.h"

using sekisho::mail::Address;
using sekisho::mail::Domain;

namespace {
void must(bool holds) {
  if (!holds) std::abort();
}

void check_domain(std::string_view text) {
  const auto domain = Domain::parse(text);
  if (!domain) return;
  must(domain->text().size() <= 253 && !domain->text().empty());
  must(Domain::parse(domain->text()) == domain);
  must(domain->name().text() == domain->text());
  must(domain->name().labels() == domain->labels());
  const auto shown = Domain::parse(domain->unicode());
  must(shown && *shown == *domain);
  must(domain->is_at_or_below(*domain));
  if (const auto parent = domain->parent()) must(domain->is_at_or_below(*parent) && !parent->is_at_or_below(*domain));
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check_domain(text);
  const auto address = Address::parse(text);
  if (!address) return 0;
  const std::string whole = address->text();
  must(whole.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos && whole.size() <= 254);
  const auto again = Address::parse(whole);
  must(again.ok() && *again == *address);
  must(text.substr(0, address->local().size()) == address->local());
  return 0;
}
