#pragma once
// Receipts: the short code in every refusal. It holds, sealed, when and why a mail was refused and a fingerprint of who
// was refused; nothing is stored for it. The format is docs/receipt_format.md. Keys rotate and are destroyed: then the
// code opens no more, for nobody.
#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/ip_address.h"
#include "base/core/random.h"
#include "base/core/result.h"

namespace sekisho::receipt {

constexpr std::size_t kCodeSize = 40;  // characters a-z2-7

// Who was refused, as far as its own receipts are concerned: the client's network (/24, /64) and the MAIL FROM domain.
struct Sender {
  core::IpAddress client_ip;
  std::string mail_from_domain;  // lower case A-labels; empty for the null return path
};

struct Statement {
  std::int64_t time_s = 0;   // wall time; 2026-01-01 to 2162
  std::uint8_t stage = 0;    // 0..15, verdict::Stage
  std::uint8_t action = 0;   // 0..15, verdict::Action
  std::uint32_t reason = 0;  // reason_id of the finding code, 24 bits
  bool operator==(const Statement&) const = default;
};
// The number that stands for a finding's code: the first three octets of its SHA-256. To read it back, try the known
// codes.
std::uint32_t reason_id(std::string_view code);

enum class ReceiptError : std::uint8_t {
  kNotACode,    // not 40 characters of the alphabet (spaces, hyphens and capitals are overlooked)
  kUnknownKey,  // never made here
  kExpired,     // its key has been destroyed
  kTampered,    // one character or more is wrong, or it was never ours
};
enum class KeyError : std::uint8_t {
  kUnreadable,  // the key file is there but cannot be read
  kMalformed,   // its contents are not a key file
  kUnwritable,  // the folder or the disk refuses
};

struct Settings {
  std::int64_t rotate_s = 24 * 3600;  // a new key every day
  std::int64_t keep_s =
      30 * 24 * 3600;  // a key is destroyed this long after it was replaced; with rotate_s at most 200 keys
};

struct Opened {
  Statement statement;
  std::uint64_t fingerprint = 0;
  std::uint8_t key_id = 0;
};

// The key file (mode 0600) and what is done with it. Thread-safe.
class KeyRing {
 public:
  // Reads the file, or makes it with a first key. The random source must outlive the ring.
  static core::Result<std::unique_ptr<KeyRing>, KeyError> open(const std::string& file, Settings settings,
                                                               core::Random& random, std::int64_t now_s);
  ~KeyRing();

  // Makes a new key when the last one is old, destroys keys whose time is over. Call it every hour or so; true when the
  // file changed. On an error the ring goes on in memory and the next call writes again.
  core::Result<bool, KeyError> rotate(std::int64_t now_s);

  std::string seal(const Statement& statement, const Sender& sender) const;
  core::Result<Opened, ReceiptError> open(std::string_view code) const;
  // True only for the sender the code was given to. (A chance of 2^-48 for anybody else.)
  bool belongs_to(const Opened& opened, const Sender& sender) const;

  std::size_t keys() const;

 private:
  struct Key;
  KeyRing(std::string file, Settings settings, core::Random& random);
  core::Result<void, KeyError> read();
  core::Result<void, KeyError> write() const;
  void add_key(std::int64_t now_s);
  const Key* find(std::uint8_t id) const;

  std::string file_;
  Settings settings_;
  core::Random& random_;
  mutable std::mutex mutex_;
  std::vector<Key> keys_;                         // oldest first; the last one seals
  std::array<std::int64_t, 256> destroyed_at_{};  // 0: no key of this id was destroyed since it was last used
  bool unwritten_ = false;                        // the file is behind memory
};

}  // namespace sekisho::receipt
