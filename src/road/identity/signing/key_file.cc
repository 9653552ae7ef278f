#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/core/text.h"
#include "base/crypto/crypto.h"
#include "road/identity/signing/signing.h"

namespace sekisho::signing {
namespace {
constexpr std::size_t kMaxKeyFile = 64 * 1024;

struct Fd {
  int fd;
  ~Fd() {
    if (fd >= 0) ::close(fd);
  }
};

struct Secret {
  std::string text;
  ~Secret() { crypto::wipe(text); }
};

bool read_all(int fd, std::string& into) {
  into.resize(kMaxKeyFile + 1);
  std::size_t have = 0;
  while (have < into.size()) {
    const ssize_t got = ::read(fd, into.data() + have, into.size() - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return false;
    if (got == 0) break;
    have += static_cast<std::size_t>(got);
  }
  into.resize(have);
  return true;
}

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
  const Fd in{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | (strict ? O_NONBLOCK : 0))};
  if (in.fd < 0)
    return core::error(
        path + ": " + std::strerror(errno) +
        (errno == ENOENT ? "; make it (openssl genrsa -out FILE 2048) or bring it back from a copy" : ""));
  struct stat about {};
  if (::fstat(in.fd, &about) != 0) return core::error(path + ": " + std::strerror(errno));
  if (S_ISDIR(about.st_mode) || (strict && !S_ISREG(about.st_mode))) return core::error(path + ": is not a plain file");
  const ModeFault mode = S_ISREG(about.st_mode) ? judge_mode(about.st_mode & 0777) : ModeFault{};
  if (mode.refused && strict) return core::error(path + ": " + mode.text);
  Secret secret;
  if (!read_all(in.fd, secret.text)) return core::error(path + ": " + std::strerror(errno));
  if (secret.text.size() > kMaxKeyFile) return core::error(path + ": is over 64 KiB, that is no key");
  auto key = signature::PrivateKey::load(secret.text);
  if (!key) return core::error(path + ": " + why(key.error(), secret.text));
  KeyFile out{std::move(*key), {}};
  if (!mode.text.empty()) out.warnings.push_back(path + ": " + mode.text);
  warn_size(path, out.key, out.warnings);
  return out;
}

}  // namespace sekisho::signing
