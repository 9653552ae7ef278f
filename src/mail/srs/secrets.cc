#include "mail/srs/secrets.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>

#include "base/core/text.h"
#include "base/crypto/crypto.h"

namespace sekisho::srs {

namespace {

constexpr std::size_t kMostOctets = 64 << 10, kShort = 16;

struct Opened {
  int fd = -1;
  ~Opened() {
    if (fd >= 0) ::close(fd);
  }
};

struct Wiped {
  std::string text;
  ~Wiped() { crypto::wipe(text); }
};

std::string mode_text(mode_t mode) {
  const char digits[] = {'0', static_cast<char>('0' + (mode >> 6 & 7)), static_cast<char>('0' + (mode >> 3 & 7)),
                         static_cast<char>('0' + (mode & 7)), '\0'};
  return digits;
}

bool read_all(int fd, std::string& out) {
  char buffer[4096];
  ssize_t got;
  while ((got = ::read(fd, buffer, sizeof buffer)) > 0 && out.size() <= kMostOctets)
    out.append(buffer, static_cast<std::size_t>(got));
  ::explicit_bzero(buffer, sizeof buffer);
  return got >= 0;
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
std::string mode_fault(const std::string& path, const struct stat& about) {
  if (S_ISDIR(about.st_mode)) return "is a folder, a file is wanted";
  if (!S_ISREG(about.st_mode)) return {};
  const std::string mode = " (mode " + mode_text(about.st_mode) + "): chmod 600 " + path;
  if (about.st_mode & 0007) return "everybody may read or change it and could forge our addresses" + mode;
  if (about.st_mode & 0020) return "its group may change it" + mode;
  return {};
}

}  // namespace

std::string fingerprint(const std::string& secret) {
  const auto digest = crypto::derive_key(secret, "sekisho srs secret");
  return core::hex(crypto::view(digest)).substr(0, 8);
}

core::Result<SecretFile, std::string> read_secrets(const std::string& path, bool by_hand) {
  const auto failed = [&](const std::string& what) { return core::error(path + ": " + what); };
  const Opened in{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | (by_hand ? 0 : O_NONBLOCK))};
  if (in.fd < 0)
    return failed(std::string(std::strerror(errno)) +
                  (errno == ENOENT ? "; make it: sekisho srs secret --new " + path : ""));
  struct stat about {};
  if (::fstat(in.fd, &about) != 0) return failed(std::strerror(errno));
  if (!by_hand && !S_ISREG(about.st_mode) && !S_ISDIR(about.st_mode)) return failed("is not a plain file");
  const std::string fault = mode_fault(path, about);
  const bool only_read = S_ISREG(about.st_mode) && !(about.st_mode & 0022);
  if (!fault.empty() && !(by_hand && only_read)) return failed(fault);
  Wiped text;
  if (!read_all(in.fd, text.text)) return failed(std::strerror(errno));
  if (text.text.size() > kMostOctets) return failed("is over 64 KiB, that is no file of secrets");
  SecretFile out{lines_of(text.text), {}};
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
