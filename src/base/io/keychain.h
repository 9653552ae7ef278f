#pragma once
// The certificates a gate shows: chosen by the name the client asks for (RFC 6066 section 3), several key types side by
// side, read anew when their files change. Thread-safe.
//
// Reloading: look() compares the files with what is in use. A change is read once the files have been quiet between two
// looks; a pair that is cut off, does not fit together, is expired, not valid yet or unreadable is refused, told once,
// and the old one stays. A handshake uses what was in force when it began; sessions under way keep what they have.
// After a change no session ticket from before opens.
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/io/certificate.h"
#include "base/io/io.h"

namespace sekisho::io {

// RFC 8996: nothing older.
enum class TlsVersion : std::uint8_t { k12, k13 };

struct KeychainNews {
  bool loaded = false;
  CertificateFacts facts;  // loaded
  CertificateFault fault;  // refused: the old pair stays
};

class Keychain {
 public:
  // The first pair is shown to who asks for no name or for one nobody has. Of several pairs for one name and key type
  // the first counts. At least one pair. Every fault is told, each with the pair's place. Expired ones are taken here:
  // a mail server that does not start is worse.
  struct Fault {
    std::size_t place;
    CertificateFault what;
  };
  static core::Result<std::shared_ptr<Keychain>, std::vector<Fault>> open(std::vector<CertificateFiles> pairs,
                                                                          TlsVersion least = TlsVersion::k12);
  ~Keychain();
  // For start_tls_server; it always serves the newest.
  std::shared_ptr<TlsContext> context() const;
  // Reads files: on a Pool. now_s: wall time. One look at a time.
  std::vector<KeychainNews> look(std::int64_t now_s);
  std::vector<CertificateFacts> certificates() const;

 private:
  struct Impl;
  explicit Keychain(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sekisho::io
