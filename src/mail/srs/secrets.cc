#include "mail/srs/secrets.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <string_view>

#include "base/core/text.h"
#include "base/crypto/crypto.h"
#include "base/store/private_file.h"

namespace sekisho::srs {

namespace {

constexpr std::size_t kMostOctets = 64 << 10, kShort = 16;

std::string mode_text(mode_t mode) {
  const char digits[] = {'0', static_cast<char>('0' + (mode >> 6 & 7)), static_cast<char>('0' + (mode >> 3 & 7)),
                         static_cast<char>('0' + (mode & 7)), '\0'};
  return digits;
}

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const auto end = text.find('\n');
    std::string_view line = text.substr(0, end);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (!line.empty()) out.emplace_back(line);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return out;
}

// "" or why a file with this mode is not taken.
std::string mode_fault(const std::string& path, mode_t mode) {
  if (!S_ISREG(mode)) return {};
  const std::string cure = " (mode " + mode_text(mode) + "): chmod 600 " + path;
  if (mode & 0007) return "everybody may read or change it and could forge our addresses" + cure;
  if (mode & 0020) return "its group may change it" + cure;
  return {};
}

}  // namespace

std::string fingerprint(const std::string& secret) {
  const auto digest = crypto::derive_key(secret, "sekisho srs secret");
  return core::hex(crypto::view(digest)).substr(0, 8);
}

core::Result<SecretFile, std::string> read_secrets(const std::string& path, bool by_hand) {
  const auto failed = [&](const std::string& what) { return core::error(path + ": " + what); };
  const auto text = store::read_private(path, kMostOctets, by_hand);
  if (!text) {
    const int fault = text.error();
    return failed(fault == EISDIR   ? "is a folder, a file is wanted"
                  : fault == EINVAL ? "is not a plain file"
                  : fault == EFBIG  ? "is over 64 KiB, that is no file of secrets"
                  : fault == ENOENT ? std::strerror(fault) + ("; make it: sekisho srs secret --new " + path)
                                    : std::strerror(fault));
  }
  const std::string fault = mode_fault(path, text->mode);
  const bool only_read = S_ISREG(text->mode) && !(text->mode & 0022);
  if (!fault.empty() && !(by_hand && only_read)) return failed(fault);
  SecretFile out{lines_of(text->octets), {}};
  if (!fault.empty()) out.warnings.push_back(path + ": " + fault);
  if (out.secrets.empty())
    return failed("is empty: write one secret a line, or take it away and run sekisho srs secret --new " + path);
  if (out.secrets.size() > kSecretsMost)
    return failed("holds over 64 secrets; take those at its end away, or run sekisho srs rotate " + path);
  if (out.secrets.front().size() < kShort)
    out.warnings.push_back(path +
                           ": its first secret is shorter than 16 characters and can be guessed from one "
                           "address: run sekisho srs rotate " +
                           path);
  return out;
}

}  // namespace sekisho::srs
