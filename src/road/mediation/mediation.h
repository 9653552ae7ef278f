#pragma once
// What is done to a mail on its way out: the least change that keeps it verifiable at its end, chosen for each mail by
// whose it is and which way it goes. plan() decides and says why; apply() makes exactly what a plan says. Pure: no
// network, no clock; re-entrant. Egress does what `mediate explain` shows, as both ask here.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "mail/address/address.h"
#include "mail/message/message.h"
#include "road/finding/finding.h"
#include "road/identity/arc/arc.h"
#include "road/identity/author/author.h"
#include "road/identity/authres/authres.h"
#include "road/identity/dmarc/dmarc.h"
#include "road/identity/signing/signing.h"

namespace sekisho::mediation {

enum class Path : std::uint8_t {
  kOwn,         // the author's domain has a key of ours
  kForward,     // alias, .forward: others wrote it, it goes on
  kList,        // a list of ours hands it out
  kThirdParty,  // others' From, sent by a customer of ours: the return path is ours
};
std::string_view word(Path path);  // "own" "forward" "list" "third-party"

enum class Change : std::uint8_t {
  kSignDkim,
  kSignDomainKeys,
  kSeal,
  kSender,      // Sender added
  kResent,      // Resent-From (and Resent-Sender) with Resent-Date on top
  kMungeFrom,   // From becomes the list's address
  kKeepAuthor,  // the author's address goes into Reply-To
};
std::string_view word(Change change);  // "dkim" "domainkeys" "arc" "sender" "resent" "from" "reply_to"

struct Step {
  Change change;
  std::string value;  // whose: a domain for signatures, an address for fields, as it was written
  std::string detail;
  road::Finding why;  // of room "mediation": explain() gives the text
  const signing::SigningKey* key = nullptr;
};
struct Plan {
  Path path = Path::kOwn;
  std::vector<Step> steps;             // in the order they are made
  std::vector<road::Finding> remarks;  // what is left as it is, and why
};

struct List {
  mail::Domain domain;    // signs, and the return path is in it
  std::string list_id;    // lower case; empty: any List-Id at or below the domain
  mail::Address address;  // where people post
  std::string name;       // shown behind "via"
};
struct Sealer {
  mail::Domain domain;
  std::string selector;
  signature::PrivateKey key;
};
enum class Resent : std::uint8_t { kOff, kFrom, kSender };

struct Settings {
  std::shared_ptr<const signing::KeyTable> keys;  // never null
  std::vector<List> lists;
  std::shared_ptr<const Sealer> sealer;  // null: no seals
  Resent resent = Resent::kOff;
  std::optional<mail::Address> forward_address;  // who forwards, where Delivered-To does not tell
  std::string authserv_id;                       // our Authentication-Results, sealed
};

struct Facts {
  const mail::Message& message;
  const author::Author& author;
  std::string_view mail_from;              // as said, "" is the null return path
  std::optional<dmarc::Policy> policy;     // of the author's domain; nothing: not known
  const arc::Evaluation* chain = nullptr;  // as it came; null: not looked at
};
// The list of ours this mail comes from: its List-Id and its return path say so, both.
const List* list_of(const mail::Message& message, std::string_view mail_from, const Settings& settings);
Path path_of(const Facts& facts, const Settings& settings);
// Whether plan() wants to know Facts::policy (a list's mail), or Facts::chain (a mail that is sealed).
bool asks_policy(Path path);
bool asks_chain(Path path, const Settings& settings);
Plan plan(const Facts& facts, const Settings& settings);
Plan plan(const Facts& facts, const Settings& settings, Path as);  // as if it went that way

enum class Fault : std::uint8_t {
  kHeader,     // a field that cannot be written, or a header that cannot be read again
  kSignature,  // a key cannot make its signature
  kTooComplex,
};
std::string_view word(Fault fault);
struct Applied {
  std::shared_ptr<const mail::Message> message;  // the same where no field was changed
  std::vector<std::string> prepend;              // whole fields, to stand above it
};
// results: what we found, for the seal. date: RFC 5322, for Resent-Date. Signing takes milliseconds: on a pool.
core::Result<Applied, Fault> apply(std::shared_ptr<const mail::Message> message, const Plan& plan,
                                   const Settings& settings, const arc::Evaluation* chain,
                                   const authres::Header& results, std::int64_t now_s, const std::string& date);

}  // namespace sekisho::mediation
