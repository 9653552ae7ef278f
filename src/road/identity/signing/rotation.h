#pragma once
// The change of a signing key, step by step, in one folder: SELECTOR.pem for each key, `state`, `retired/` for keys
// that have done their work, `lock`. Every step is durable when it returns, and a process killed anywhere between
// leaves a folder with which the next one goes on. Format: docs/small_formats.md.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/core/result.h"
#include "base/store/private_file.h"
#include "mail/address/address.h"
#include "road/identity/signature/key.h"

namespace sekisho::signing {

enum class Stage : std::uint8_t {
  kWaiting,  // made; signs when its record is published
  kSigning,  // at most one
  kOverlap,  // signs no more, stays published for mail on its way
  kRetired,  // its record should be empty; the key lies in retired/
};
std::string_view word(Stage stage);

struct KeyEntry {
  std::string selector;
  Stage stage;
  std::int64_t since_s;  // of this stage
  bool operator==(const KeyEntry&) const = default;
};

struct RotationState {
  mail::Domain domain;
  std::vector<KeyEntry> keys;

  const KeyEntry* find(Stage stage) const;  // the first
  const KeyEntry* find(std::string_view selector) const;
  std::string format() const;
  // An error is "LINE: what is wrong".
  static core::Result<RotationState, std::string> parse(std::string_view text);
  bool operator==(const RotationState&) const = default;
};
// Nothing when the folder or its state is not there yet. Errors begin with the path and say what to do.
core::Result<std::optional<RotationState>, std::string> read_rotation(const std::string& folder);
// A selector that may stand in the state and be the name of a file: lower case, no slash.
bool can_name_key(std::string_view selector, const mail::Domain& domain);
std::string key_path(const std::string& folder, std::string_view selector);
inline constexpr std::size_t kKeptRetired = 50;  // entries; the oldest of more are forgotten, their files stay

class Rotation {
 public:
  // Makes the folder (0700) when it is not there and takes its lock, so that two cannot change it at once.
  static core::Result<Rotation, std::string> open(const std::string& folder, const mail::Domain& domain,
                                                  store::FileOps& files = store::FileOps::system());
  Rotation(Rotation&& other) noexcept = default;
  Rotation& operator=(Rotation&&) = delete;

  const RotationState& state() const { return state_; }
  // No key of ours has had this selector, and it can be one.
  bool is_free(const std::string& selector) const;
  // The key that signs already comes into a folder in which none does.
  core::Result<void, std::string> adopt(const std::string& selector, const signature::PrivateKey& key,
                                        std::int64_t now_s);
  // A new key is wanted under this selector; waiting_key() makes it.
  core::Result<void, std::string> begin(const std::string& selector, std::int64_t now_s);
  // The key that waits, made now when it is not there: no record of it can have been shown yet.
  core::Result<signature::PrivateKey, std::string> waiting_key(signature::KeyType type, unsigned rsa_bits);
  // The waiting key signs from now on, the one that signed is in its overlap.
  core::Result<void, std::string> switch_over(std::int64_t now_s);
  // The key of an entry in overlap goes to retired/.
  core::Result<void, std::string> retire(const std::string& selector, std::int64_t now_s);

 private:
  Rotation(std::string folder, RotationState state, store::FileOps& files, store::FileLock lock)
      : folder_(std::move(folder)), state_(std::move(state)), files_(files), lock_(std::move(lock)) {}
  core::Result<void, std::string> save(RotationState next);
  core::Result<void, std::string> write_key(const std::string& selector, const signature::PrivateKey& key);
  std::string folder_;
  RotationState state_;
  store::FileOps& files_;
  store::FileLock lock_;
};

}  // namespace sekisho::signing
