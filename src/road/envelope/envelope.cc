#include "road/envelope/envelope.h"

#include <cerrno>
#include <cstring>
#include <fstream>

#include "base/core/text.h"

namespace sekisho::envelope {

void LocalDomains::add(LocalDomain domain) {
  std::string key = domain.name.text();
  if (domains_.empty()) first_ = key;
  domains_.insert_or_assign(std::move(key), std::move(domain));
}

const LocalDomain* LocalDomains::find(const mail::Domain& domain) const {
  const auto it = domains_.find(domain.text());
  return it == domains_.end() ? nullptr : &it->second;
}

const LocalDomain* LocalDomains::first() const {
  const auto it = domains_.find(first_);
  return it == domains_.end() ? nullptr : &it->second;
}

core::Result<std::unordered_set<std::string>, std::string> LocalDomains::read_recipients(const std::string& file) {
  errno = 0;
  std::ifstream in(file);
  if (!in) return core::error(file + ": cannot be read: " + std::strerror(errno));
  std::unordered_set<std::string> out;
  std::string line;
  for (std::size_t number = 1; std::getline(in, line); ++number) {
    const auto text = core::trim_fws(std::string_view(line).substr(0, line.find('#')));
    if (text.empty()) continue;
    for (const char c : text)
      if (static_cast<unsigned char>(c) <= ' ' || c == '@' || c == 0x7f)
        return core::error(file + ":" + std::to_string(number) +
                           ": one local part a line, without spaces and without @domain");
    out.insert(core::to_lower(text));
  }
  if (in.bad()) return core::error(file + ": cannot be read to its end: " + std::strerror(errno));
  return out;
}

bool is_postmaster_or_abuse(const mail::Address& address) {
  return core::iequals(address.local(), "postmaster") || core::iequals(address.local(), "abuse");
}

Recipient look_at(const LocalDomain& domain, const mail::Address& address) {
  // RFC 5321 section 4.5.1: a server that relays or delivers must take mail for postmaster.
  if (domain.check == Check::kTable && core::iequals(address.local(), "postmaster")) return Recipient::kKnown;
  // Whoever rewrites user%domain or domain!user behind us would relay such mail: it comes from an address it trusts.
  const bool routes = address.local().find_first_of("%!@") != std::string::npos;
  if (domain.check == Check::kTable) {
    std::string local = core::to_lower(address.local());
    if (domain.recipients.contains(local)) return Recipient::kKnown;
    if (!domain.delimiter.empty()) {
      const auto at = local.find(domain.delimiter);
      if (at != std::string::npos && at > 0 && domain.recipients.contains(local.substr(0, at)))
        return routes ? Recipient::kRouting : Recipient::kKnown;
    }
    return Recipient::kUnknown;
  }
  if (routes) return Recipient::kRouting;
  return domain.check == Check::kAny ? Recipient::kKnown : Recipient::kAsk;
}

core::Task<SenderDomain> look_up(mail::Domain domain, Wanted wanted, dns::Resolver& resolver, core::Budget& budget) {
  if (!wanted.existence && !wanted.null_mx && !wanted.address) co_return SenderDomain::kGood;
  const dns::Name name = domain.name();
  const auto mx = co_await resolver.lookup(name, dns::Type::kMx, budget);
  if (dns::is_temporary(mx->code)) co_return SenderDomain::kTemporary;
  if (mx->code == dns::Code::kNxDomain) co_return SenderDomain::kNonExistent;
  if (mx->code == dns::Code::kRecords) {
    // RFC 7505 section 3: a single MX with the root as exchange.
    const bool null_mx = mx->exchanges.size() == 1 && mx->exchanges.front().exchange.is_root();
    co_return null_mx ? SenderDomain::kNullMx : SenderDomain::kGood;
  }
  if (!wanted.address) co_return SenderDomain::kGood;  // no data: the name is there
  bool temporary = false;
  for (const dns::Type type : {dns::Type::kA, dns::Type::kAaaa}) {
    const auto answer = co_await resolver.lookup(name, type, budget);
    if (answer->code == dns::Code::kRecords) co_return SenderDomain::kGood;
    temporary |= dns::is_temporary(answer->code);
  }
  co_return temporary ? SenderDomain::kTemporary : SenderDomain::kNoAddress;
}

}  // namespace sekisho::envelope
