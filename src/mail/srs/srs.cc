#include "mail/srs/srs.h"

#include <algorithm>
#include <array>

#include "base/core/text.h"
#include "base/crypto/crypto.h"
#include "mail/address/address.h"

namespace sekisho::srs {

namespace {

constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
constexpr std::int64_t kDayS = 86'400, kCycle = 1024;

bool is_separator(char c) { return c == '=' || c == '+' || c == '-'; }

// "SRS0" or "SRS1" in any case and a separator: servers on the way may have changed the case.
bool has_tag(std::string_view local, std::string_view tag) {
  return local.size() > tag.size() && core::istarts_with(local, tag) && is_separator(local[tag.size()]);
}

std::int64_t day_of(std::int64_t now_s) { return std::max<std::int64_t>(now_s, 0) / kDayS % kCycle; }

std::string day_stamp(std::int64_t now_s) {
  const auto day = static_cast<std::size_t>(day_of(now_s));
  return {kDigits[day / 32], kDigits[day % 32]};
}

// Days since the stamp was made; nothing when it is no stamp. One of a day to come counts as made a cycle before.
std::optional<std::int64_t> stamp_age(std::string_view stamp, std::int64_t now_s) {
  if (stamp.size() != 2) return {};
  std::int64_t day = 0;
  for (const char c : stamp) {
    const auto digit = kDigits.find(c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c);
    if (digit == std::string_view::npos) return {};
    day = day * 32 + static_cast<std::int64_t>(digit);
  }
  return (day_of(now_s) - day + kCycle) % kCycle;
}

// Cuts at the first N-1 '='; fewer fields than N: nothing.
template <std::size_t N>
std::optional<std::array<std::string_view, N>> fields(std::string_view text) {
  std::array<std::string_view, N> out;
  for (std::size_t i = 0; i + 1 < N; ++i) {
    const auto at = text.find('=');
    if (at == std::string_view::npos) return {};
    out[i] = text.substr(0, at);
    text.remove_prefix(at + 1);
  }
  out[N - 1] = text;
  return out;
}

// The fields behind the tag of an SRS1: hash, first forwarder, the rest of its SRS0 from the separator on. The form
// without a hash, of before 2004, begins with the forwarder's name and is not known any more.
std::optional<std::array<std::string_view, 3>> fields1(std::string_view rest) {
  const auto found = fields<3>(rest);
  if (!found || (*found)[0].empty() || (*found)[0].find('.') != std::string_view::npos) return {};
  if ((*found)[2].empty() || !is_separator((*found)[2][0]) || !mail::Domain::parse((*found)[1])) return {};
  return found;
}

bool bad_local(std::string_view local) {
  return local.empty() || std::any_of(local.begin(), local.end(), core::is_control);
}

}  // namespace

std::string_view word(SrsError error) {
  constexpr std::string_view kWords[] = {"address", "too_long", "not_srs", "malformed", "hash", "expired"};
  return kWords[static_cast<std::size_t>(error)];
}

Rewriter::Rewriter(std::vector<std::string> secrets, Options options)
    : secrets_(std::move(secrets)), options_(options) {}

Rewriter::~Rewriter() {
  for (auto& secret : secrets_) crypto::wipe(secret);
}

// Fields are joined without anything between them, as all who make SRS addresses do.
std::string Rewriter::hash(const std::string& secret, std::string_view fields) const {
  const auto digest = crypto::hmac_sha1(secret, fields);
  return core::base64({reinterpret_cast<const char*>(digest.data()), digest.size()}).substr(0, kHashMost);
}

// Without regard to case: it may have been lost on the way.
std::optional<std::size_t> Rewriter::maker(std::string_view given, std::string_view fields) const {
  if (given.size() < options_.hash_length || given.size() > kHashMost) return {};
  const std::string wanted = core::to_lower(given), lower = core::to_lower(fields);
  std::optional<std::size_t> found;
  for (std::size_t i = 0; i < secrets_.size(); ++i) {
    const std::string ours = core::to_lower(hash(secrets_[i], lower)).substr(0, wanted.size());
    if (crypto::equal(ours, wanted) && !found) found = i;
  }
  return found;
}

core::Result<Forwarded, SrsError> Rewriter::forward(const Mailbox& sender, std::string_view alias,
                                                    std::int64_t now_s) const {
  if (bad_local(sender.local) || !mail::Domain::parse(sender.host)) return core::error(SrsError::kAddress);
  if (core::iequals(sender.host, alias)) return Forwarded{sender, Form::kUnchanged};
  const auto signed_by_us = [&](const std::string& all) {
    return hash(secrets_.front(), core::to_lower(all)).substr(0, options_.hash_length);
  };
  std::string local;
  Form form = Form::kSrs1;
  const auto wrapped = has_tag(sender.local, "SRS1") ? fields1(std::string_view(sender.local).substr(5)) : std::nullopt;
  if (wrapped || has_tag(sender.local, "SRS0")) {
    const std::string first(wrapped ? (*wrapped)[1] : std::string_view(sender.host));
    const std::string rest(wrapped ? (*wrapped)[2] : std::string_view(sender.local).substr(4));
    local = std::string("SRS1") + options_.separator + signed_by_us(first + rest) + "=" + first + "=" + rest;
  } else {
    const std::string stamp = day_stamp(now_s);
    local = std::string("SRS0") + options_.separator + signed_by_us(stamp + sender.host + sender.local) + "=" + stamp +
            "=" + sender.host + "=" + sender.local;
    form = Form::kSrs0;
  }
  if (local.size() + 1 + alias.size() > kAddressMost) return core::error(SrsError::kTooLong);
  return Forwarded{{std::move(local), std::string(alias)}, form};
}

core::Result<Reversed, SrsError> Rewriter::reverse0(std::string_view rest, std::int64_t now_s) const {
  const auto found = fields<4>(rest);
  if (!found) return core::error(SrsError::kMalformed);
  const auto& [given, stamp, host, local] = *found;
  // A stamp has two characters: joined fields would let a longer one take from the host.
  const auto age = stamp_age(stamp, now_s);
  if (!age || bad_local(local) || !mail::Domain::parse(host)) return core::error(SrsError::kMalformed);
  const auto secret = maker(given, std::string(stamp) + std::string(host) + std::string(local));
  if (!secret) return core::error(SrsError::kHash);
  if (*age > options_.max_age_days) return core::error(SrsError::kExpired);
  return Reversed{{std::string(local), std::string(host)}, Form::kSrs0, *secret, *age};
}

core::Result<Reversed, SrsError> Rewriter::reverse1(std::string_view rest) const {
  const auto found = fields1(rest);
  if (!found) return core::error(SrsError::kMalformed);
  const auto& [given, host, inner] = *found;
  const auto secret = maker(given, std::string(host) + std::string(inner));
  if (!secret) return core::error(SrsError::kHash);
  return Reversed{{"SRS0" + std::string(inner), std::string(host)}, Form::kSrs1, *secret, 0};
}

core::Result<Reversed, SrsError> Rewriter::reverse(const Mailbox& address, std::int64_t now_s) const {
  const std::string_view local = address.local;
  if (bad_local(local)) return core::error(SrsError::kAddress);
  const bool is1 = has_tag(local, "SRS1");
  if (!is1 && !has_tag(local, "SRS0")) return core::error(SrsError::kNotSrs);
  auto out = is1 ? reverse1(local.substr(5)) : reverse0(local.substr(5), now_s);
  if (out && out->mailbox.local.size() + 1 + out->mailbox.host.size() > kAddressMost)
    return core::error(SrsError::kTooLong);
  return out;
}

}  // namespace sekisho::srs
