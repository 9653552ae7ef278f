#include <algorithm>

#include "base/core/text.h"
#include "service/mediator/mediator.h"

namespace sekisho::mediator {

namespace {

constexpr std::size_t kKeyMost = 1024;  // no longer address is looked at

bool is_kept(const Policy& policy, const mail::Domain& domain) {
  if (policy.kept.contains(domain)) return true;
  if (policy.kept_below.empty()) return false;
  for (auto above = domain.parent(); above; above = above->parent())
    if (policy.kept_below.contains(*above)) return true;
  return false;
}

Outcome outcome_of(srs::SrsError error) {
  switch (error) {
    case srs::SrsError::kAddress:
      return Outcome::kAddress;
    case srs::SrsError::kTooLong:
      return Outcome::kTooLong;
    case srs::SrsError::kNotSrs:
      return Outcome::kNotSrs;
    case srs::SrsError::kMalformed:
      return Outcome::kMalformed;
    case srs::SrsError::kHash:
      return Outcome::kHash;
    case srs::SrsError::kExpired:
      return Outcome::kExpired;
  }
  return Outcome::kAddress;
}

// Quotes may have made it too long for any server.
Answer with(Outcome outcome, const srs::Mailbox& mailbox, bool quoted) {
  std::string text = srs::to_wire(mailbox, quoted);
  if (!mail::Address::parse(text)) return {Outcome::kTooLong, {}};
  return {outcome, std::move(text)};
}

Answer forward(const Policy& policy, const srs::WireMailbox& sender, const mail::Domain& domain, std::int64_t now_s) {
  if (domain == *policy.srs_domain || is_kept(policy, domain)) return {Outcome::kOwn, {}};
  const auto made = policy.rewriter->forward(sender.mailbox, policy.srs_domain->text(), now_s);
  if (!made) return {outcome_of(made.error()), {}};
  return with(made->form == srs::Form::kSrs0 ? Outcome::kForwarded : Outcome::kWrapped, made->mailbox, sender.quoted);
}

Answer reverse(const Policy& policy, const srs::WireMailbox& recipient, const mail::Domain& domain,
               std::int64_t now_s) {
  if (domain != *policy.srs_domain) return {Outcome::kForeign, {}};
  auto back = policy.rewriter->reverse(recipient.mailbox, now_s);
  if (!back) return {outcome_of(back.error()), {}};
  bool old = back->secret != 0;
  // The mail went in a circle: the first forwarder is us. The MTA asks once, so both layers go here.
  if (const auto host = mail::Domain::parse(back->mailbox.host);
      back->form == srs::Form::kSrs1 && host == *policy.srs_domain) {
    back = policy.rewriter->reverse(back->mailbox, now_s);
    if (!back) return {outcome_of(back.error()), {}};
    old = old || back->secret != 0;
  }
  Answer out = with(Outcome::kRestored, back->mailbox, recipient.quoted);
  out.old_secret = old;
  return out;
}

}  // namespace

std::string_view word(Outcome outcome) {
  constexpr std::string_view kWords[] = {"forwarded", "wrapped", "restored", "null",      "own",  "address",
                                         "too_long",  "foreign", "not_srs",  "malformed", "hash", "expired"};
  static_assert(std::size(kWords) == static_cast<std::size_t>(Outcome::kCount));
  return kWords[static_cast<std::size_t>(outcome)];
}

std::string_view word(End end) {
  constexpr std::string_view kWords[] = {"closed", "idle", "slow", "malformed", "too_large", "lost"};
  static_assert(std::size(kWords) == static_cast<std::size_t>(End::kCount));
  return kWords[static_cast<std::size_t>(end)];
}

Answer answer(const Policy& policy, Direction direction, std::string_view key, std::int64_t now_s) {
  if (key.empty() || key == "<>") return {Outcome::kNull, {}};
  if (key.size() > kKeyMost) return {Outcome::kTooLong, {}};
  const auto wire = srs::from_wire(key);
  const auto domain = wire ? mail::Domain::parse(wire->mailbox.host) : std::nullopt;
  if (!domain) return {Outcome::kAddress, {}};
  return direction == Direction::kForward ? forward(policy, *wire, *domain, now_s)
                                          : reverse(policy, *wire, *domain, now_s);
}

}  // namespace sekisho::mediator
