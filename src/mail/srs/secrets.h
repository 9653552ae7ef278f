#pragma once
// The file with the secrets of a Rewriter: one a line, the first signs, all verify. Lines end with LF (a CR before it
// goes with it), empty ones are nothing, all other octets belong to the secret.
// Beside it FILE.times says when each older one stopped signing, by its fingerprint, so that it is known when it can
// go.
#include <cstdint>
#include <string>
#include <vector>

#include "base/core/random.h"
#include "base/core/result.h"
#include "base/store/file_ops.h"

namespace sekisho::srs {

inline constexpr std::size_t kSecretsMost = 64;  // each costs an HMAC at every reverse

struct SecretFile {
  std::vector<std::string> secrets;   // not empty
  std::vector<std::string> warnings;  // it can be used, yet something should be done; each begins with the path
};
// Errors begin with the path and say what to do: not there, a folder, readable by everybody, empty, too large. by_hand:
// named on a command line, where a pipe is meant (bash's <(...); in a config it would hold the start) and a file that
// everybody may read, but not change, is only warned of: what is tried there signs no mail.
core::Result<SecretFile, std::string> read_secrets(const std::string& path, bool by_hand = false);
std::string fingerprint(const std::string& secret);  // 8 hex digits; shows nothing of the secret

// A file that is not there yet, with one new secret (256 random bits), mode 0600.
core::Result<void, std::string> new_secrets(const std::string& path, core::Random& random, store::FileOps& files);

struct OldSecret {
  std::string fingerprint;
  std::int64_t since_s = 0;  // stopped signing
  std::int64_t until_s = 0;  // an address of it may come back until then
};
struct Rotated {
  std::string signs;            // fingerprint
  std::vector<OldSecret> kept;  // the newest first
  std::vector<std::string> dropped;
};
// As it stands, without a change.
core::Result<Rotated, std::string> secrets_status(const std::string& path, std::int64_t max_age_days,
                                                  std::int64_t now_s);
// Puts a new secret on top and takes those away that stopped signing more than max_age_days ago. After a crash at any
// moment the old file or the new one stands there. Owner, group and mode stay. One at a time: the folder is locked.
core::Result<Rotated, std::string> rotate_secrets(const std::string& path, std::int64_t max_age_days,
                                                  std::int64_t now_s, core::Random& random, store::FileOps& files);

}  // namespace sekisho::srs
