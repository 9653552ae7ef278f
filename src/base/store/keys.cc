#include "base/store/keys.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "base/core/text.h"

namespace sekisho::store {

namespace {
using PKey = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using MdContext = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;
const unsigned char* octets(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

template <std::size_t N>
std::string hex_of(const std::array<char, N>& value) {
  return core::hex({value.data(), N});
}
template <std::size_t N>
bool unhex_into(std::string_view text, std::array<char, N>& out) {
  const auto raw = core::unhex(text);
  if (!raw || raw->size() != N) return false;
  std::copy(raw->begin(), raw->end(), out.begin());
  return hex_of(out) == text;  // one spelling only: a changed file is a damaged one
}

// The text after `name ` on the line that starts with it.
std::optional<std::string_view> line_value(std::string_view text, std::string_view name) {
  while (!text.empty()) {
    const auto line = text.substr(0, text.find('\n'));
    if (line.size() > name.size() && line.starts_with(name) && line[name.size()] == ' ')
      return line.substr(name.size() + 1);
    text.remove_prefix(std::min(text.size(), line.size() + 1));
  }
  return {};
}

std::string format_identity(const Identity& identity) {
  return "sekisho ledger identity\nkey " + hex_of(identity.key) + "\nsalt " + hex_of(identity.salt) + "\n";
}

StoreError key_failure(std::string file, std::string detail, int os_error = 0) {
  return {StoreErrorKind::kKey, std::move(file), 0, os_error, std::move(detail)};
}

std::optional<PublicKey> public_key(const std::array<char, 32>& seed) {
  PKey key(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, octets({seed.data(), 32}), 32), EVP_PKEY_free);
  PublicKey out;
  std::size_t size = out.size();
  if (!key || EVP_PKEY_get_raw_public_key(key.get(), reinterpret_cast<unsigned char*>(out.data()), &size) != 1)
    return {};
  return out;
}
}  // namespace

core::Result<Identity, StoreError> read_identity(const std::string& folder) {
  const std::string path = folder + "/ledger.pub";
  const auto text = read_file(path);
  if (!text) return core::error(key_failure(path, "cannot be read", text.error()));
  Identity identity;
  const auto key = line_value(*text, "key"), salt = line_value(*text, "salt");
  if (!key || !salt || !unhex_into(*key, identity.key) || !unhex_into(*salt, identity.salt))
    return core::error(key_failure(path, "is not a ledger identity"));
  if (format_identity(identity) != *text) return core::error(key_failure(path, "was changed"));
  return identity;
}

bool signature_holds(const PublicKey& key, std::string_view text, std::string_view signature) {
  PKey handle(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, octets({key.data(), 32}), 32), EVP_PKEY_free);
  MdContext context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  return handle && EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, handle.get()) == 1 &&
         EVP_DigestVerify(context.get(), octets(signature), signature.size(), octets(text), text.size()) == 1;
}

core::Result<Signer, StoreError> Signer::open(FileOps& files, const std::string& folder, core::Random& random) {
  const std::string key_path = folder + "/ledger.key", public_path = folder + "/ledger.pub";
  std::array<char, 32> seed;
  Identity identity;
  const auto text = read_file(key_path);
  if (!text && text.error() != ENOENT) return core::error(key_failure(key_path, "cannot be read", text.error()));
  if (!text) {
    struct stat info {};
    // A new key under an old ledger would make every old head look forged: somebody has to decide that.
    if (::stat(public_path.c_str(), &info) == 0)
      return core::error(
          key_failure(key_path, "is missing but ledger.pub is there; restore it, or move the old ledger away"));
    random.fill(seed.data(), seed.size());
    if (auto made = replace_file(files, key_path, "ed25519 " + hex_of(seed) + "\n", 0600, true); !made)
      return core::error(os_failure(made.error(), key_path, 0, "making the ledger's key"));
  } else {
    struct stat info {};
    if (::stat(key_path.c_str(), &info) != 0 || (info.st_mode & 077) != 0)
      return core::error(key_failure(key_path, "may be read by others; chmod 600 it"));
    const auto value = line_value(*text, "ed25519");
    if (!value || !unhex_into(*value, seed)) return core::error(key_failure(key_path, "is not an Ed25519 seed"));
  }
  const auto key = public_key(seed);
  if (!key) return core::error(key_failure(key_path, "Ed25519 is not available"));
  const auto known = read_identity(folder);
  if (known) {
    if (known->key != *key) return core::error(key_failure(public_path, "does not belong to ledger.key"));
    return Signer(seed, *known);
  }
  if (known.error().os_error != ENOENT) return core::error(known.error());
  identity.key = *key;
  random.fill(identity.salt.data(), identity.salt.size());
  if (auto made = replace_file(files, public_path, format_identity(identity), 0644, true); !made)
    return core::error(os_failure(made.error(), public_path, 0, "making the ledger's identity"));
  return Signer(seed, identity);
}

Signature Signer::sign(std::string_view text) const {
  PKey key(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, octets({seed_.data(), 32}), 32), EVP_PKEY_free);
  MdContext context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  Signature out{};
  std::size_t size = out.size();
  EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key.get());
  EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(out.data()), &size, octets(text), text.size());
  return out;
}

std::string format_anchor(const Anchor& anchor, const Signer& signer) {
  std::string text = "sekisho ledger anchor\nday " + anchor.day + "\nfirst_seq " + std::to_string(anchor.first_seq) +
                     "\nlast_seq " + std::to_string(anchor.last_seq) + "\nfirst_chain " + hex_of(anchor.first) +
                     "\nlast_chain " + hex_of(anchor.last) + "\nunlinked_us " + std::to_string(anchor.unlinked_us) +
                     "\n";
  return text + "signature " + hex_of(signer.sign(text)) + "\n";
}

std::optional<Anchor> parse_anchor(std::string_view text, const PublicKey& key) {
  Anchor anchor;
  const auto day = line_value(text, "day"), first = line_value(text, "first_seq"), last = line_value(text, "last_seq"),
             first_chain = line_value(text, "first_chain"), last_chain = line_value(text, "last_chain"),
             unlinked = line_value(text, "unlinked_us"), signature = line_value(text, "signature");
  if (!day || !first || !last || !first_chain || !last_chain || !unlinked || !signature) return {};
  const auto first_seq = core::parse_uint(*first), last_seq = core::parse_uint(*last);
  const auto unlinked_us = core::parse_uint(*unlinked, INT64_MAX);
  if (!parse_day(*day) || !first_seq || !last_seq || !unlinked_us) return {};
  if (!unhex_into(*first_chain, anchor.first) || !unhex_into(*last_chain, anchor.last)) return {};
  anchor.day = *day;
  anchor.first_seq = *first_seq;
  anchor.last_seq = *last_seq;
  anchor.unlinked_us = static_cast<std::int64_t>(*unlinked_us);
  const auto signed_part = text.substr(0, text.rfind("signature "));
  Signature raw;
  // Only the exact text that format_anchor makes: nothing may stand after the signature.
  anchor.signature_ok = unhex_into(*signature, raw) && text.size() == signed_part.size() + 10 + signature->size() + 1 &&
                        signature_holds(key, signed_part, {raw.data(), raw.size()});
  return anchor;
}

std::optional<std::string> DayKeys::key(std::int32_t day, bool make) {
  const std::lock_guard lock(mutex_);
  if (const auto found = cache_.find(day); found != cache_.end()) return found->second;
  const std::string path = folder_ + "/" + day_text(day) + ".rcpt";
  auto text = read_file(path);
  if (!text) {
    if (!make || text.error() != ENOENT) return {};
    std::string fresh(32, '\0');
    random_.fill(fresh.data(), fresh.size());
    if (!replace_file(files_, path, core::hex(fresh) + "\n", 0600, true)) return {};
    return cache_[day] = fresh;
  }
  auto raw = core::unhex(core::trim_fws(*text));
  if (!raw || raw->size() != 32) return {};
  if (cache_.size() > 400) cache_.clear();
  return cache_[day] = *raw;
}

namespace {
// RFC 2104 over a digest that was fetched once: the library's one-shot call looks its parts up anew each time, which
// costs ten times the hashing. The key is 32 octets, less than a block.
std::array<unsigned char, 32> hmac_sha256(std::string_view key, std::string_view text) {
  static EVP_MD* const sha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  thread_local const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  const auto hash = [&](unsigned char pad, std::string_view octets_of) {
    std::array<unsigned char, 64> block;
    block.fill(pad);
    for (std::size_t i = 0; i < key.size(); ++i) block[i] ^= static_cast<unsigned char>(key[i]);
    std::array<unsigned char, 32> out{};
    EVP_DigestInit_ex2(context.get(), sha256, nullptr);
    EVP_DigestUpdate(context.get(), block.data(), block.size());
    EVP_DigestUpdate(context.get(), octets_of.data(), octets_of.size());
    EVP_DigestFinal_ex(context.get(), out.data(), nullptr);
    return out;
  };
  const auto inner = hash(0x36, text);
  return hash(0x5c, {reinterpret_cast<const char*>(inner.data()), inner.size()});
}
}  // namespace

std::optional<std::array<char, 16>> DayKeys::hash(std::int32_t day, std::string_view address, bool make) {
  const auto secret = key(day, make);
  if (!secret) return {};
  const auto digest = hmac_sha256(*secret, core::to_lower(address));
  std::array<char, 16> out;
  std::copy_n(digest.begin(), out.size(), out.begin());
  return out;
}

core::Result<void, StoreError> DayKeys::destroy(std::int32_t day) {
  const std::lock_guard lock(mutex_);
  cache_.erase(day);
  const std::string path = folder_ + "/" + day_text(day) + ".rcpt";
  const auto gone = files_.unlink(path);
  if (!gone && gone.error() != ENOENT) return core::error(os_failure(gone.error(), path, 0, "unlinking a day key"));
  return {};
}

}  // namespace sekisho::store
