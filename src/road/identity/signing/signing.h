#pragma once
// The keys an operator signs with: read from files with care, compared with what the DNS publishes, chosen by the
// author of a mail. No policy on which mail is signed; the signatures themselves are dkim's and domainkeys'.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/budget.h"
#include "base/core/result.h"
#include "base/core/task.h"
#include "base/dns/dns.h"
#include "mail/address/address.h"
#include "road/identity/signature/key.h"

namespace sekisho::signing {

struct KeyFile {
  signature::PrivateKey key;
  std::vector<std::string> warnings;  // it can be used, yet something should be done; each begins with the path
};
// Errors begin with the path and say what to do: not there, not a plain file, open to everybody, no private key we
// sign with, RSA under 1024 bits. Never blocks on a pipe where one is not wanted. The octets read are wiped.
enum class Openness : std::uint8_t {
  kRefused,  // a mode with which anybody could sign is an error: what a config names
  kTold,     // it is a warning: what is named on the command line, a key for a test or out of /dev/fd
};
core::Result<KeyFile, std::string> read_key_file(const std::string& path, Openness open = Openness::kRefused);
// What is wrong with this mode, and how to mend it; empty when only the owner may read. `refused`: anybody could sign.
struct ModeFault {
  bool refused = false;
  std::string text;
};
ModeFault judge_mode(unsigned mode);

using signature::record_name;
// A master-file line; the text is cut into strings of at most 255 octets.
std::string record_line(const mail::Domain& name, std::string_view text);
inline constexpr std::string_view kRevokedRecord = "v=DKIM1; p=";  // RFC 6376 section 3.6.1: p= empty

enum class Published : std::uint8_t {
  kMatches,    // a signature made with the key verifies with the record
  kMissing,    // no TXT there
  kDiffers,    // another key, several records, or one that forbids what we do (s=, h=)
  kRevoked,    // p= is empty
  kTemporary,  // the DNS did not answer
};
std::string_view word(Published published);
struct Publication {
  Published state = Published::kTemporary;
  std::string seen;      // printable
  bool testing = false;  // t=y: verifiers treat our mail as unsigned
};
core::Task<Publication> find_published(const signature::PrivateKey& key, const mail::Domain& name,
                                       dns::Resolver& resolver, core::Budget& budget);

// One row of [[signing_key]] with the key that signs now.
struct SigningKey {
  mail::Domain domain;
  std::string user;  // local part; empty: everybody
  bool subdomains = false;
  bool dkim = true, domainkeys = false;
  std::string selector;
  std::string file;
  signature::PrivateKey key;
  std::uint32_t line = 0;  // in the config
};

// Immutable once filled; thread-safe to read.
class KeyTable {
 public:
  void add(SigningKey key) { keys_.push_back(std::move(key)); }
  const std::vector<SigningKey>& keys() const { return keys_; }
  // For this author, in the order of the config: his own rows, else those of his domain, else those of the nearest
  // domain above that has rows with `subdomains`. Local parts compare without case, as mailboxes do in practice.
  std::vector<const SigningKey*> select(const mail::Address& author) const;
  // The same for several authors in one domain: nobody's own rows.
  std::vector<const SigningKey*> select(const mail::Domain& domain) const;

 private:
  std::vector<SigningKey> keys_;
};

}  // namespace sekisho::signing
