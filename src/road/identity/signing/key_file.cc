#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "base/core/text.h"
#include "base/store/private_file.h"
#include "road/identity/signing/signing.h"

namespace sekisho::signing {
namespace {
constexpr std::size_t kMaxKeyFile = 64 * 1024;

// What dkimpy's dknewkey writes for Ed25519: the 32 octets in base64, no PEM.
bool is_bare_seed(std::string_view text) {
  const auto octets = core::unbase64(core::trim_fws(text));
  return octets && octets->size() == 32;
}

std::string why(signature::PemError error, std::string_view text) {
  using signature::PemError;
  switch (error) {
    case PemError::kPublic:
      return "holds a public key or certificate, signing needs the private key";
    case PemError::kPassphrase:
      return "is protected by a passphrase; write it without one: openssl pkey -in FILE -out NEW, then chmod 600 NEW";
    case PemError::kType:
      return "holds a key that is neither RSA nor Ed25519; make one: sekisho dkim rotate, or openssl genrsa 2048";
    case PemError::kTooSmall:
      return "holds an RSA key under 1024 bits, which RFC 8301 forbids; make one of 2048: sekisho dkim rotate, or "
             "openssl genrsa 2048";
    case PemError::kTooLarge:
      return "holds an RSA key over 8192 bits, which no verifier takes; 2048 bits are the usual";
    case PemError::kDamaged:
      return "holds a damaged key: what it signs does not verify with its own public half; restore it from a copy";
    case PemError::kNoKey:
      break;
  }
  if (is_bare_seed(text))
    return "holds an Ed25519 key as bare base64; sekisho wants PEM (PKCS#8): openssl genpkey -algorithm ed25519";
  return text.empty() ? "is empty, a PEM private key is wanted" : "holds no PEM private key that can be read";
}

void warn_size(const std::string& path, const signature::PrivateKey& key, std::vector<std::string>& into) {
  if (key.type() != signature::KeyType::kRsa) return;
  // RFC 8301 section 3.2: "Signers SHOULD use RSA keys of at least 2048 bits"; verifiers must know 1024 to 4096.
  if (key.bits() < 2048)
    into.push_back(path + ": RSA of " + std::to_string(key.bits()) +
                   " bits; RFC 8301 wants 2048 or more: sekisho dkim rotate makes a new one");
  if (key.bits() > 4096)
    into.push_back(path + ": RSA of " + std::to_string(key.bits()) +
                   " bits; verifiers need not take more than 4096 (RFC 8301 section 3.2)");
}
}  // namespace

ModeFault judge_mode(unsigned mode) {
  if (mode & 0077 & ~0040u)
    return {true, mode & 0007 ? "everybody on this machine may reach it: chmod 600 it, and make a new key if strangers "
                                "had accounts here"
                              : "its group may change or run it: chmod 600 it"};
  if (mode & 0040) return {false, "its group may read it; when only its owner signs: chmod 600 it"};
  return {};
}

core::Result<KeyFile, std::string> read_key_file(const std::string& path, Openness open) {
  // A pipe must not hold the start; on the command line it is what the operator wanted.
  const bool strict = open == Openness::kRefused;
  const auto secret = store::read_private(path, kMaxKeyFile, !strict);
  if (!secret) {
    const int fault = secret.error();
    return core::error(
        path + ": " +
        (fault == EISDIR || fault == EINVAL ? "is not a plain file"
         : fault == EFBIG                   ? "is over 64 KiB, that is no key"
                                            : std::strerror(fault)) +
        (fault == ENOENT ? "; make it (openssl genrsa -out FILE 2048) or bring it back from a copy" : ""));
  }
  const ModeFault mode = S_ISREG(secret->mode) ? judge_mode(secret->mode & 0777) : ModeFault{};
  if (mode.refused && strict) return core::error(path + ": " + mode.text);
  auto key = signature::PrivateKey::load(secret->octets);
  if (!key) return core::error(path + ": " + why(key.error(), secret->octets));
  KeyFile out{std::move(*key), {}};
  if (!mode.text.empty()) out.warnings.push_back(path + ": " + mode.text);
  warn_size(path, out.key, out.warnings);
  return out;
}

}  // namespace sekisho::signing
