#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <optional>

#include "base/core/text.h"
#include "base/crypto/crypto.h"
#include "base/store/private_file.h"
#include "mail/srs/secrets.h"

namespace sekisho::srs {

namespace {

constexpr std::int64_t kDaySeconds = 86'400;
constexpr std::size_t kSecretOctets = 32;

std::string times_path(const std::string& path) { return path + ".times"; }
std::string folder_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

core::Result<void, std::string> os_failed(const std::string& path, int fault) {
  return core::error(path + ": " + std::strerror(fault));
}

std::string make_secret(core::Random& random) {
  std::string octets(kSecretOctets, '\0');
  random.fill(octets.data(), octets.size());
  std::string out = core::base64(octets);
  crypto::wipe(octets);
  while (!out.empty() && out.back() == '=') out.pop_back();
  return out;
}

using Times = std::map<std::string, std::int64_t>;  // fingerprint -> stopped signing

// A line that cannot be read is none: its secret counts as one that has stopped just now, so it is kept longer.
Times read_times(const std::string& path) {
  Times out;
  const auto text = store::read_file(times_path(path));
  if (!text) return out;
  std::string_view left = *text;
  while (!left.empty()) {
    const auto end = left.find('\n');
    const std::string_view line = left.substr(0, end);
    const auto space = line.find(' ');
    if (space != std::string_view::npos)
      if (const auto time = core::parse_uint(line.substr(space + 1), INT64_MAX / 2))
        out[std::string(line.substr(0, space))] = static_cast<std::int64_t>(*time);
    left.remove_prefix(end == std::string_view::npos ? left.size() : end + 1);
  }
  return out;
}

std::int64_t until(std::int64_t since_s, std::int64_t max_age_days) {
  return since_s + (max_age_days + 1) * kDaySeconds;  // a day stamp holds to the end of its last day
}

// All but the first, as they stand.
std::vector<OldSecret> old_ones(const std::vector<std::string>& secrets, const Times& times, std::int64_t max_age_days,
                                std::int64_t now_s) {
  std::vector<OldSecret> out;
  for (std::size_t i = 1; i < secrets.size(); ++i) {
    const std::string name = fingerprint(secrets[i]);
    const auto at = times.find(name);
    // A time to come is a clock that has gone wrong since.
    const std::int64_t since_s = at == times.end() ? now_s : std::min(at->second, now_s);
    out.push_back({name, since_s, until(since_s, max_age_days)});
  }
  return out;
}

// Owner, group and the group's right to read go over to the new file before it gets its name.
class KeepOwner final : public store::FileOps {
 public:
  KeepOwner(store::FileOps& files, const struct stat& about) : files_(files), about_(about) {}
  core::Result<int, int> open(const std::string& path, int flags, unsigned mode) override {
    auto fd = files_.open(path, flags, mode);
    if (!fd || !(flags & O_CREAT)) return fd;
    const bool foreign = about_.st_uid != ::geteuid() || about_.st_gid != ::getegid();
    if ((foreign && ::fchown(*fd, about_.st_uid, about_.st_gid) != 0) || ::fchmod(*fd, about_.st_mode & 0640) != 0) {
      const int fault = errno;
      files_.close(*fd);
      return core::error(fault);
    }
    return fd;
  }
  core::Result<std::size_t, int> write(int fd, std::string_view octets, std::uint64_t offset) override {
    return files_.write(fd, octets, offset);
  }
  core::Result<void, int> sync(int fd) override { return files_.sync(fd); }
  core::Result<void, int> sync_folder(const std::string& path) override { return files_.sync_folder(path); }
  core::Result<void, int> rename(const std::string& from, const std::string& to) override {
    return files_.rename(from, to);
  }
  core::Result<void, int> unlink(const std::string& path) override { return files_.unlink(path); }

 private:
  store::FileOps& files_;
  struct stat about_;
};

// The times first: a secret without a time is kept, a time without its secret says nothing.
core::Result<void, std::string> write_both(const std::string& path, const std::vector<std::string>& secrets,
                                           const std::vector<OldSecret>& kept, store::FileOps& system) {
  struct stat about {};
  if (::stat(path.c_str(), &about) != 0) return os_failed(path, errno);
  KeepOwner files(system, about);
  std::string times, text;
  for (const auto& old : kept) times += old.fingerprint + " " + std::to_string(old.since_s) + "\n";
  for (const auto& secret : secrets) text += secret + "\n";
  auto done = store::replace_file(files, times_path(path), times, 0600, true);
  if (!done) return crypto::wipe(text), os_failed(times_path(path), done.error());
  done = store::replace_file(files, path, text, 0600, true);
  crypto::wipe(text);
  if (!done) return os_failed(path, done.error());
  return {};
}

}  // namespace

core::Result<void, std::string> new_secrets(const std::string& path, core::Random& random, store::FileOps& files) {
  std::string text = make_secret(random) + "\n";
  const auto fd = files.open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (!fd)
    return core::error(path + ": " + std::strerror(fd.error()) +
                       (fd.error() == EEXIST   ? "; for a new secret in it: sekisho srs rotate " + path
                        : fd.error() == ENOENT ? "; make its folder first"
                                               : ""));
  core::Result<void, int> done;
  for (std::size_t at = 0; done && at < text.size();) {
    const auto written = files.write(*fd, std::string_view(text).substr(at), at);
    if (written)
      at += *written;
    else
      done = core::error(written.error());
  }
  crypto::wipe(text);
  if (done) done = files.sync(*fd);
  files.close(*fd);
  if (done) done = files.sync_folder(folder_of(path));
  if (done) return {};
  (void)files.unlink(path);
  return os_failed(path, done.error());
}

core::Result<Rotated, std::string> secrets_status(const std::string& path, std::int64_t max_age_days,
                                                  std::int64_t now_s) {
  const auto file = read_secrets(path);
  if (!file) return core::error(file.error());
  return Rotated{
      fingerprint(file->secrets.front()), old_ones(file->secrets, read_times(path), max_age_days, now_s), {}};
}

core::Result<Rotated, std::string> rotate_secrets(const std::string& path, std::int64_t max_age_days,
                                                  std::int64_t now_s, core::Random& random, store::FileOps& files) {
  const auto lock = store::FileLock::take(folder_of(path), false, store::FileLock::Wait::kYes);
  if (!lock) return core::error(folder_of(path) + ": cannot be locked: " + std::strerror(lock.error()));
  auto file = read_secrets(path);
  if (!file) return core::error(file.error());
  auto& secrets = file->secrets;
  secrets.insert(secrets.begin(), make_secret(random));
  auto times = read_times(path);
  times[fingerprint(secrets[1])] = now_s;  // it stops signing now, whatever it did before
  Rotated out{fingerprint(secrets.front()), {}, {}};
  std::vector<std::string> stay{secrets.front()};
  const auto old = old_ones(secrets, times, max_age_days, now_s);
  for (std::size_t i = 0; i < old.size(); ++i) {
    if (old[i].until_s <= now_s) {
      out.dropped.push_back(old[i].fingerprint);
      continue;
    }
    out.kept.push_back(old[i]);
    stay.push_back(secrets[i + 1]);
  }
  if (stay.size() > kSecretsMost)
    return core::error(path + ": holds as many secrets as it may (" + std::to_string(kSecretsMost) +
                       "), none of them old enough to go; come again when the oldest is");
  const auto written = write_both(path, stay, out.kept, files);
  for (auto& secret : stay) crypto::wipe(secret);
  for (auto& secret : secrets) crypto::wipe(secret);
  if (!written) return core::error(written.error());
  return out;
}

}  // namespace sekisho::srs
