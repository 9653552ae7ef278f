#include "road/identity/iprev/iprev.h"

#include <algorithm>

namespace sekisho::iprev {
namespace {

core::Task<dns::AnswerPtr> ask(const dns::Name& name, dns::Type type, dns::Resolver& resolver, core::Budget& budget) {
  if (dns::AnswerPtr ready = resolver.ready(name, type)) co_return ready;
  co_return co_await resolver.lookup(name, type, budget);
}

Evaluation ended(road::AuthResult result, std::optional<mail::Domain> name, std::string reason) {
  return {result, std::move(name), std::move(reason)};
}

}  // namespace

dns::Name reverse_name(const core::IpAddress& ip) {
  constexpr char kHex[] = "0123456789abcdef";
  const auto& octets = ip.octets();
  std::string text;
  if (ip.is_v4()) {
    for (int i = 15; i >= 12; --i) text += std::to_string(octets[i]) + ".";
    return *dns::Name::parse(text + "in-addr.arpa");
  }
  for (int i = 15; i >= 0; --i) {
    text += kHex[octets[i] & 15];
    text += '.';
    text += kHex[octets[i] >> 4];
    text += '.';
  }
  return *dns::Name::parse(text + "ip6.arpa");
}

core::Task<Evaluation> evaluate(core::IpAddress ip, dns::Resolver& resolver, core::Budget& budget) {
  using road::AuthResult;
  const dns::Name reverse = reverse_name(ip);
  const dns::AnswerPtr names = co_await ask(reverse, dns::Type::kPtr, resolver, budget);
  if (dns::is_temporary(names->code)) {
    co_return ended(AuthResult::kTempError, {}, "no answer for the reverse name of " + ip.text());
  }
  // RFC 8601 section 2.7.3: nothing published is permerror; names that do not lead back are fail.
  if (names->code != dns::Code::kRecords)
    co_return ended(AuthResult::kPermError, {}, ip.text() + " has no reverse name");
  std::optional<mail::Domain> first;
  bool temporary = false;
  const std::size_t count = std::min(names->names.size(), kMaxNames);
  for (std::size_t i = 0; i < count; ++i) {
    // What a PTR holds is the client's own word; only host names are asked for and shown.
    auto name = mail::Domain::parse(names->names[i].text());
    if (!name) continue;
    if (!first) first = name;
    const dns::Name forward = name->name();
    const dns::AnswerPtr found = co_await ask(forward, ip.is_v4() ? dns::Type::kA : dns::Type::kAaaa, resolver, budget);
    temporary = temporary || dns::is_temporary(found->code);
    if (std::find(found->addresses.begin(), found->addresses.end(), ip) != found->addresses.end()) {
      std::string reason = ip.text() + " is " + name->text();
      co_return ended(AuthResult::kPass, std::move(name), std::move(reason));
    }
  }
  if (!first) co_return ended(AuthResult::kPermError, {}, "the reverse name of " + ip.text() + " is no host name");
  std::string shown = first->text();
  if (temporary) co_return ended(AuthResult::kTempError, std::move(first), "no answer for the addresses of " + shown);
  co_return ended(AuthResult::kFail, std::move(first), shown + " does not lead back to " + ip.text());
}

}  // namespace sekisho::iprev
