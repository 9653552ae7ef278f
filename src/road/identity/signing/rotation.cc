#include "road/identity/signing/rotation.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/crypto/crypto.h"
#include "road/identity/signing/signing.h"

namespace sekisho::signing {
namespace {
std::string state_path(const std::string& folder) { return folder + "/state"; }
std::string retired_folder(const std::string& folder) { return folder + "/retired"; }
std::string retired_path(const std::string& folder, std::string_view selector) {
  return key_path(retired_folder(folder), selector);
}
bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

core::Result<void, std::string> failed(const std::string& path, int fault) {
  return core::error(path + ": " + std::strerror(fault));
}

// Root makes things for whoever owns the folder: he must be able to sign. He may have put a link to somebody else's
// file there, so only what is root's and has this one name is given.
void give_to_owner(const std::string& folder, const std::string& path) {
  struct stat owner {
  }, about{};
  if (::geteuid() != 0 || ::stat(folder.c_str(), &owner) != 0 || owner.st_uid == 0) return;
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return;
  const bool ours = ::fstat(fd, &about) == 0 && about.st_uid == 0 &&
                    (S_ISDIR(about.st_mode) || (S_ISREG(about.st_mode) && about.st_nlink == 1));
  [[maybe_unused]] const int given = ours ? ::fchown(fd, owner.st_uid, owner.st_gid) : 0;
  ::close(fd);
}

core::Result<void, std::string> make_private_folder(const std::string& path) {
  struct stat about {};
  if (::mkdir(path.c_str(), 0700) == 0) return {};
  if (errno == EEXIST && ::lstat(path.c_str(), &about) == 0 && !S_ISDIR(about.st_mode))
    return core::error(path + ": is not a folder; name the folder itself, not a link to it");
  if (errno == EEXIST) return {};
  return core::error(path + ": " + std::strerror(errno) + (errno == ENOENT ? "; make the folder above it first" : ""));
}
}  // namespace

std::string key_path(const std::string& folder, std::string_view selector) {
  return folder + "/" + std::string(selector) + ".pem";
}

core::Result<std::optional<RotationState>, std::string> read_rotation(const std::string& folder) {
  const std::string path = state_path(folder);
  const auto text = store::read_file(path);
  if (!text && text.error() == ENOENT) return std::optional<RotationState>();
  if (!text) return core::error(path + ": " + std::strerror(text.error()));
  auto state = RotationState::parse(*text);
  if (!state)
    return core::error(path + ":" + state.error() +
                       "; mend the line, or move the folder away and begin with selector and key_file");
  return std::optional<RotationState>(std::move(*state));
}

core::Result<Rotation, std::string> Rotation::open(const std::string& folder, const mail::Domain& domain,
                                                   store::FileOps& files) {
  const auto made = make_private_folder(folder);
  if (!made) return core::error(made.error());
  const std::string lock_path = folder + "/lock";
  auto lock = store::FileLock::take(lock_path, true, store::FileLock::Wait::kNo);
  if (!lock && lock.error() == EWOULDBLOCK)
    return core::error(folder + ": another sekisho dkim rotate is at work here; wait until it has ended");
  if (!lock) return core::error(lock_path + ": " + std::strerror(lock.error()));
  Rotation out(folder, RotationState{domain, {}}, files, std::move(*lock));
  give_to_owner(folder, lock_path);
  auto state = read_rotation(folder);
  if (!state) return core::error(state.error());
  if (*state) out.state_ = std::move(**state);
  if (out.state_.domain != domain)
    return core::error(folder + ": holds the keys of " + out.state_.domain.text() + ", not of " + domain.text() +
                       "; give each [[signing_key]] a key_folder of its own");
  give_to_owner(folder, state_path(folder));  // a run before this one may have been killed before it did
  for (const auto& key : out.state_.keys) give_to_owner(folder, key_path(folder, key.selector));
  return out;
}

core::Result<void, std::string> Rotation::save(RotationState next) {
  const auto retired = [&next] {
    return std::count_if(next.keys.begin(), next.keys.end(), [](const auto& k) { return k.stage == Stage::kRetired; });
  };
  while (retired() > static_cast<std::ptrdiff_t>(kKeptRetired))
    next.keys.erase(
        std::find_if(next.keys.begin(), next.keys.end(), [](const auto& k) { return k.stage == Stage::kRetired; }));
  const std::string path = state_path(folder_);
  const auto written = store::replace_file(files_, path, next.format(), 0600, true);
  if (!written) return failed(path, written.error());
  give_to_owner(folder_, path);
  state_ = std::move(next);
  return {};
}

core::Result<void, std::string> Rotation::write_key(const std::string& selector, const signature::PrivateKey& key) {
  const std::string path = key_path(folder_, selector);
  std::string pem = key.pem();
  const auto written = store::replace_file(files_, path, pem, 0600, true);
  crypto::wipe(pem);
  if (!written) return failed(path, written.error());
  give_to_owner(folder_, path);
  return {};
}

core::Result<void, std::string> Rotation::adopt(const std::string& selector, const signature::PrivateKey& key,
                                                std::int64_t now_s) {
  if (state_.find(Stage::kSigning) || state_.find(selector) || !can_name_key(selector, state_.domain))
    return core::error(folder_ + ": " + selector + " cannot be taken over: it was used here before, or another signs");
  const auto written = write_key(selector, key);
  if (!written) return written;
  RotationState next = state_;
  next.keys.push_back({selector, Stage::kSigning, now_s});
  return save(std::move(next));
}

bool Rotation::is_free(const std::string& selector) const {
  return can_name_key(selector, state_.domain) && !state_.find(selector) && !exists(key_path(folder_, selector)) &&
         !exists(retired_path(folder_, selector));
}

core::Result<void, std::string> Rotation::begin(const std::string& selector, std::int64_t now_s) {
  if (state_.find(Stage::kWaiting)) return core::error(folder_ + ": a key waits already");
  if (!is_free(selector))
    return core::error(folder_ + ": the selector " + selector + " cannot be used, or was used before");
  RotationState next = state_;
  next.keys.push_back({selector, Stage::kWaiting, now_s});
  return save(std::move(next));
}

core::Result<signature::PrivateKey, std::string> Rotation::waiting_key(signature::KeyType type, unsigned rsa_bits) {
  const KeyEntry* waiting = state_.find(Stage::kWaiting);
  if (!waiting) return core::error(folder_ + ": no key waits");
  const std::string path = key_path(folder_, waiting->selector);
  if (exists(path)) {
    auto read = read_key_file(path);
    if (!read) return core::error(read.error() + "; take it away and run this again for a new one");
    return std::move(read->key);
  }
  auto key = signature::PrivateKey::generate(type, rsa_bits);
  const auto written = write_key(waiting->selector, key);
  if (!written) return core::error(written.error());
  return key;
}

core::Result<void, std::string> Rotation::switch_over(std::int64_t now_s) {
  RotationState next = state_;
  if (!next.find(Stage::kWaiting)) return core::error(folder_ + ": no key waits");
  for (auto& key : next.keys) {
    if (key.stage != Stage::kWaiting && key.stage != Stage::kSigning) continue;
    key.stage = key.stage == Stage::kWaiting ? Stage::kSigning : Stage::kOverlap;
    key.since_s = now_s;
  }
  return save(std::move(next));
}

core::Result<void, std::string> Rotation::retire(const std::string& selector, std::int64_t now_s) {
  RotationState next = state_;
  const auto at = std::find_if(next.keys.begin(), next.keys.end(), [&](const KeyEntry& key) {
    return key.selector == selector && key.stage == Stage::kOverlap;
  });
  if (at == next.keys.end()) return core::error(folder_ + ": " + selector + " is not in its overlap");
  const std::string from = key_path(folder_, selector), to = retired_path(folder_, selector);
  if (exists(from)) {  // else a run before this one got so far
    const auto made = make_private_folder(retired_folder(folder_));
    if (!made) return made;
    give_to_owner(folder_, retired_folder(folder_));
    auto moved = files_.rename(from, to);
    if (moved) moved = files_.sync_folder(retired_folder(folder_));
    if (moved) moved = files_.sync_folder(folder_);
    if (!moved) return failed(from, moved.error());
  }
  at->stage = Stage::kRetired;
  at->since_s = now_s;
  return save(std::move(next));
}

}  // namespace sekisho::signing
