// The code itself: 25 octets, 40 letters (docs/receipt_format.md).
#include <algorithm>

#include "base/core/text.h"
#include "road/receipt/keyring.h"

namespace sekisho::receipt {
namespace {

constexpr std::int64_t kEpoch = 1'767'225'600;  // 2026-01-01T00:00:00Z
constexpr std::size_t kIvSize = 10, kPlainSize = 14, kFingerprintSize = 6;
constexpr std::string_view kContext = "sekisho receipt 1";

void put(std::string& out, std::uint64_t value, int octets) {
  for (int shift = 8 * (octets - 1); shift >= 0; shift -= 8) out += static_cast<char>(value >> shift & 0xff);
}

std::uint64_t get(std::string_view octets) {
  std::uint64_t value = 0;
  for (const char c : octets) value = value << 8 | static_cast<std::uint8_t>(c);
  return value;
}

// The key id is authenticated too: it says which key, so a changed one is another context.
std::string context(std::uint8_t id) { return std::string(kContext) + static_cast<char>(id); }

std::uint64_t fingerprint(std::string_view secret, const Sender& sender) {
  const auto network = sender.client_ip.masked(sender.client_ip.is_v4() ? 24 : 64).octets();
  std::string facts(reinterpret_cast<const char*>(network.data()), network.size());
  facts += core::to_lower(sender.mail_from_domain);
  const auto key = crypto::derive_key(secret, "fingerprint");
  return get(crypto::view(crypto::hmac_sha256(crypto::view(key), facts)).substr(0, kFingerprintSize));
}

// What people add or mistake when they read a code aloud or copy it. 0, 1 and 8 are not letters of base32.
std::optional<std::string> normalise(std::string_view code) {
  std::string out;
  for (const char c : code) {
    if (c == ' ' || c == '-' || c == '\t' || c == '\r' || c == '\n') continue;
    if (out.size() == kCodeSize) return std::nullopt;
    out += c == '0' ? 'o' : c == '1' ? 'l' : c == '8' ? 'b' : core::lower(c);
  }
  if (out.size() != kCodeSize) return std::nullopt;
  return out;
}

}  // namespace

std::uint32_t reason_id(std::string_view code) {
  return static_cast<std::uint32_t>(get(crypto::view(crypto::sha256(code)).substr(0, 3)));
}

std::string KeyRing::seal(const Statement& statement, const Sender& sender) const {
  const std::lock_guard lock(mutex_);
  const Key& key = keys_.back();
  std::string plain;
  put(plain, static_cast<std::uint64_t>(std::clamp<std::int64_t>(statement.time_s - kEpoch, 0, UINT32_MAX)), 4);
  put(plain, static_cast<std::uint64_t>(statement.stage & 15) << 4 | (statement.action & 15), 1);
  put(plain, statement.reason, 3);
  put(plain, fingerprint(key.secret, sender), kFingerprintSize);
  std::string octets(1, static_cast<char>(key.id));
  octets += crypto::seal_synthetic(key.secret, context(key.id), plain, kIvSize);
  return core::base32(octets);
}

core::Result<Opened, ReceiptError> KeyRing::open(std::string_view code) const {
  const auto letters = normalise(code);
  const auto octets = letters ? core::unbase32(*letters) : std::nullopt;
  if (!octets || octets->size() != 1 + kIvSize + kPlainSize) return core::error(ReceiptError::kNotACode);
  const auto id = static_cast<std::uint8_t>(octets->front());
  const std::lock_guard lock(mutex_);
  const Key* key = find(id);
  if (!key) return core::error(destroyed_at_[id] != 0 ? ReceiptError::kExpired : ReceiptError::kUnknownKey);
  const auto plain = crypto::open_synthetic(key->secret, context(id), std::string_view(*octets).substr(1), kIvSize);
  if (!plain) return core::error(ReceiptError::kTampered);
  const std::string_view fields = *plain;
  Opened opened;
  opened.key_id = id;
  opened.statement.time_s = kEpoch + static_cast<std::int64_t>(get(fields.substr(0, 4)));
  opened.statement.stage = static_cast<std::uint8_t>(get(fields.substr(4, 1)) >> 4);
  opened.statement.action = static_cast<std::uint8_t>(get(fields.substr(4, 1)) & 15);
  opened.statement.reason = static_cast<std::uint32_t>(get(fields.substr(5, 3)));
  opened.fingerprint = get(fields.substr(8));
  return opened;
}

bool KeyRing::belongs_to(const Opened& opened, const Sender& sender) const {
  const std::lock_guard lock(mutex_);
  const Key* key = find(opened.key_id);
  return key && fingerprint(key->secret, sender) == opened.fingerprint;
}

}  // namespace sekisho::receipt
