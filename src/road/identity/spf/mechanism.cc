// What each mechanism asks and when it matches (RFC 7208 section 5), targets, %{p} and the explanation.
#include <algorithm>

#include "base/core/text.h"
#include "road/identity/spf/check.h"

namespace sekisho::spf {
namespace {

constexpr std::size_t kNamesMax = 10;  // MX hosts and PTR names of one term (section 4.6.4)

std::string_view reverse_name(const core::IpAddress& ip, char (&room)[80]) {
  static constexpr Values kNone;
  TargetName name;
  Values values = kNone;
  values.client_ip = ip;
  expand("%{ir}.%{v}.arpa", values, name);
  const auto text = name.name();
  std::copy(text.begin(), text.end(), room);
  return {room, text.size()};
}

}  // namespace

Check::Step Check::match(const Term& term, std::string_view domain) {
  if (term.kind == Kind::kAll) return Step::kMatch;
  if (term.kind == Kind::kIp4 || term.kind == Kind::kIp6) return match_network(term);
  if (!count_lookup()) return Step::kPermError;
  TargetName room;
  std::string_view name;
  if (const auto step = target(term.domain_spec, domain, room, name); step != Step::kMatch) return step;
  switch (term.kind) {
    case Kind::kInclude:
      return match_include(name);
    case Kind::kA:
      return match_addresses(term, name);
    case Kind::kMx:
      return match_exchanges(term, name);
    case Kind::kPtr:
      return match_pointers(name);
    default:
      return match_exists(name);
  }
}

// Section 5: a mapped client is an IPv4 client; it never matches ip6, an IPv6 client never ip4.
Check::Step Check::match_network(const Term& term) {
  const auto& client = query_.client_ip;
  const bool v4 = term.kind == Kind::kIp4;
  if (client.is_v4() != v4) return Step::kNoMatch;
  if (v4) return client.in_prefix(term.network, term.prefix4) ? Step::kMatch : Step::kNoMatch;
  const auto& a = client.octets();
  const auto& b = term.network.octets();  // as octets: the network of a short prefix may lie in the mapped range
  const std::size_t whole = term.prefix6 / 8;
  if (!std::equal(a.begin(), a.begin() + whole, b.begin())) return Step::kNoMatch;
  const unsigned rest = term.prefix6 % 8;
  return rest == 0 || (a[whole] ^ b[whole]) >> (8 - rest) == 0 ? Step::kMatch : Step::kNoMatch;
}

bool Check::holds_client(const dns::Answer& answer, const Term& term) const {
  const unsigned bits = query_.client_ip.is_v4() ? term.prefix4 : term.prefix6;
  for (const auto& address : answer.addresses)
    if (query_.client_ip.in_prefix(address, bits)) return true;
  return false;
}

// Section 4.6.4: terms whose queries find nothing are counted, each once.
Check::Step Check::count_void() {
  if (++out_.void_lookups > settings_.void_lookups_max) return permerror("too many DNS look-ups that find nothing");
  return Step::kNoMatch;
}

Check::Step Check::failed(Got got, std::string_view name) {
  switch (got) {
    case Got::kMissing:
      return Step::kMissing;
    case Got::kTempError:
      return temperror(name);  // section 5: a server that fails or does not answer
    case Got::kTooMany:
      return permerror("the mail's budget of DNS queries is empty");
    case Got::kBadName:
      return Step::kNoMatch;
    default:
      return count_void();
  }
}

Check::Step Check::match_addresses(const Term& term, std::string_view name) {
  dns::AnswerPtr answer;
  const Got got = ask(name, address_type(), answer);
  if (got != Got::kRecords) return failed(got, name);
  return holds_client(*answer, term) ? Step::kMatch : Step::kNoMatch;
}

Check::Step Check::match_exists(std::string_view name) {
  dns::AnswerPtr answer;
  const Got got = ask(name, dns::Type::kA, answer);  // section 5.7: A even for an IPv6 client
  return got == Got::kRecords ? Step::kMatch : failed(got, name);
}

Check::Step Check::match_exchanges(const Term& term, std::string_view name) {
  dns::AnswerPtr hosts, answer;
  const Got got = ask(name, dns::Type::kMx, hosts);
  if (got != Got::kRecords) return failed(got, name);
  if (hosts->exchanges.size() > kNamesMax) return permerror("more than 10 MX records at", name);
  bool missing = false, found_nothing = false;
  for (const auto& host : hosts->exchanges) {
    if (host.exchange.is_root()) continue;  // RFC 7505: a null MX names no host
    const Got one = ask(host.exchange, address_type(), answer);
    if (one == Got::kMissing) {
      missing = true;
      if (!missing_) break;
      continue;  // the others' questions are noted too, so that all are asked at once
    }
    if (missing) continue;
    if (one == Got::kTempError || one == Got::kTooMany) return failed(one, host.exchange.text());
    if (one == Got::kRecords && holds_client(*answer, term)) return Step::kMatch;
    found_nothing = found_nothing || one != Got::kRecords;
  }
  if (missing) return Step::kMissing;
  return found_nothing ? count_void() : Step::kNoMatch;
}

// Section 5.2, the table: what the included policy says about this client.
Check::Step Check::match_include(std::string_view name) {
  ++includes_;
  const auto result = check_host(name);
  --includes_;
  if (!result) return Step::kMissing;
  switch (*result) {
    case Result::kPass:
      return Step::kMatch;
    case Result::kTempError:
      return Step::kTempError;
    case Result::kPermError:
      return Step::kPermError;
    case Result::kNone:
      return permerror("include: no SPF record at", name);
    default:
      return Step::kNoMatch;
  }
}

Check::Got Check::pointers(dns::AnswerPtr& answer) {
  char room[80];
  return ask(reverse_name(query_.client_ip, room), dns::Type::kPtr, answer);
}

// Section 5.5: the client's names that lead back to it, of these one at or below the target. The client's own reverse
// zone must not turn a fail into an error: faults are "no match".
Check::Step Check::match_pointers(std::string_view name) {
  dns::AnswerPtr pointers_answer, answer;
  const Got got = pointers(pointers_answer);
  if (got == Got::kTempError) return Step::kNoMatch;
  if (got != Got::kRecords) return failed(got, name);
  dns::Name target;
  if (!target.assign(name)) return Step::kNoMatch;
  static const Term kExact;
  bool missing = false;
  const auto& names = pointers_answer->names;
  for (std::size_t i = 0; i < std::min(names.size(), kNamesMax); ++i) {  // section 4.6.4: the rest is ignored
    if (!names[i].is_at_or_below(target)) continue;
    const Got one = ask(names[i], address_type(), answer);
    if (one == Got::kTooMany) return failed(one, name);
    if (one == Got::kMissing) {
      missing = true;
      if (!missing_) break;
    }
    if (one == Got::kRecords && holds_client(*answer, kExact) && !missing) return Step::kMatch;
  }
  return missing ? Step::kMissing : Step::kNoMatch;
}

// Section 7.3, "p": the domain itself if it is validated, else a name below it, else any, else "unknown".
Check::Step Check::validated_name(std::string_view domain, std::string& name) {
  name = "unknown";
  dns::AnswerPtr pointers_answer, answer;
  const Got got = pointers(pointers_answer);
  if (got == Got::kMissing) return Step::kMissing;
  if (got != Got::kRecords) return Step::kMatch;
  dns::Name target;
  target.assign(domain);
  static const Term kExact;
  const dns::Name* best = nullptr;
  bool missing = false;
  const auto rank = [&](const dns::Name& n) { return n == target ? 2 : n.is_at_or_below(target) ? 1 : 0; };
  const auto& names = pointers_answer->names;
  for (std::size_t i = 0; i < std::min(names.size(), kNamesMax); ++i) {
    if (best && rank(names[i]) <= rank(*best)) continue;
    const Got one = ask(names[i], address_type(), answer);
    missing = missing || one == Got::kMissing;
    if (one == Got::kRecords && holds_client(*answer, kExact)) best = &names[i];
  }
  if (missing) return Step::kMissing;
  if (best && best->text().find('\\') == std::string::npos) name = best->text();
  return Step::kMatch;
}

Values Check::values(std::string_view domain) {
  Values v;
  v.local = local_;
  v.sender_domain = domain_;
  v.domain = domain;
  v.helo = query_.helo;
  v.receiver = query_.receiver;
  v.client_ip = query_.client_ip;
  v.now_s = query_.now_s;
  if (sender_.empty()) sender_.append(local_).append("@").append(domain_);
  v.sender = sender_;
  return v;
}

Check::Step Check::target(std::string_view spec, std::string_view domain, TargetName& room, std::string_view& name) {
  const bool plain = spec.find('%') == std::string_view::npos;
  if (plain && spec.size() <= 253) {
    name = spec.empty() ? domain : spec.back() == '.' ? spec.substr(0, spec.size() - 1) : spec;
    return Step::kMatch;
  }
  // RFC 8616 section 4: terms with a local part beyond ASCII do not match anything.
  if (beyond_ascii(local_) && (uses(spec, 'l') || uses(spec, 's'))) return Step::kNoMatch;
  auto v = values(domain);
  const std::size_t longest = std::max({v.sender.size(), v.helo.size(), domain.size(), std::size_t{64}});
  const auto macros = static_cast<std::uint64_t>(std::count(spec.begin(), spec.end(), '%'));
  if (!budget_.take_steps(spec.size() + macros * longest)) return permerror("the mail is too complex");
  std::string validated;
  if (uses(spec, 'p')) {
    // Section 4.6.4: the PTR records queried for %{p} are part of the limit.
    if (!std::exchange(pointers_counted_, true) && !count_lookup()) return Step::kPermError;
    if (validated_name(domain, validated) == Step::kMissing) return Step::kMissing;
    v.validated = validated;
  }
  expand(spec, v, room);
  // Section 4.8 leaves open what cannot be asked. An empty name is what nobody can ask: terms do not match, an include
  // or redirect has no policy.
  name = room.usable() ? room.name() : std::string_view();
  return Step::kMatch;
}

// Section 6.2: any trouble on the way means "as if there were no exp". It counts against no limit (section 4.6.4).
bool Check::explain(std::string_view spec, std::string_view domain) {
  const auto lookups = out_.lookups;
  const auto reason = out_.reason;
  const bool counted = std::exchange(pointers_counted_, true);
  TargetName room;
  std::string_view name;
  const auto step = target(spec, domain, room, name);
  out_.lookups = lookups, out_.reason = reason, pointers_counted_ = counted;
  if (step == Step::kMissing) return false;
  if (step != Step::kMatch) return true;
  dns::AnswerPtr answer;
  const Got got = ask(name, dns::Type::kTxt, answer);
  if (got == Got::kMissing) return false;
  if (got != Got::kRecords || answer->texts.size() != 1) return true;
  const std::string_view text = answer->texts[0];
  if (!budget_.take_steps(text.size()) || !valid_explanation(text)) return true;
  auto v = values(domain);
  std::string validated;
  if (uses(text, 'p')) {
    if (validated_name(domain, validated) == Step::kMissing) return false;
    v.validated = validated;
  }
  const std::size_t longest = std::max({v.sender.size(), v.helo.size(), std::size_t{64}});
  const auto macros = static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '%'));
  if (budget_.take_steps(macros * longest))
    out_.explanation = expand_explanation(text, v, settings_.explanation_size_max);
  return true;
}

}  // namespace sekisho::spf
