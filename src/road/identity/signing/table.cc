#include <algorithm>

#include "base/core/text.h"
#include "road/identity/signing/signing.h"

namespace sekisho::signing {
namespace {
template <class Wanted>
std::vector<const SigningKey*> gather(const std::vector<SigningKey>& keys, Wanted wanted) {
  std::vector<const SigningKey*> out;
  for (const auto& key : keys)
    if (wanted(key)) out.push_back(&key);
  return out;
}
}  // namespace

std::vector<const SigningKey*> KeyTable::select(const mail::Address& author) const {
  const auto own = gather(keys_, [&](const SigningKey& key) {
    return !key.user.empty() && core::iequals(key.user, author.local()) && key.domain == author.domain();
  });
  return own.empty() ? select(author.domain()) : own;
}

std::vector<const SigningKey*> KeyTable::select(const mail::Domain& domain) const {
  for (std::optional<mail::Domain> at = domain; at; at = at->parent()) {
    const bool below = *at != domain;
    auto found = gather(keys_, [&](const SigningKey& key) {
      return key.user.empty() && key.domain == *at && (key.subdomains || !below);
    });
    if (!found.empty()) return found;
  }
  return {};
}

}  // namespace sekisho::signing
