#pragma once
// The clients to the next hop: SMTP (RFC 5321), LMTP (RFC 2033) and Maildir behind one NextHop, with kept sessions and
// a recipient probe. A NextHop belongs to the loop it was made on: with several loops, make one on each and share
// sessions_count out among them. Destroy it
// before that loop and after all of its Tasks. Nothing here bounces: every end is an Outcome.
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/clock.h"
#include "base/core/random.h"
#include "base/core/task.h"
#include "base/io/io.h"
#include "mail/message/message.h"
#include "mail/smtp/command.h"
#include "transfer/capabilities.h"

namespace sekisho::transfer {

enum class Kind : std::uint8_t { kSmtp, kLmtp, kMaildir };
enum class Tls : std::uint8_t { kOff, kOpportunistic, kEncrypt, kRequired };

// What all loops know of one next hop together; it says in the log when it goes down and when it is back. Thread-safe.
class Health {
 public:
  void down(const std::string& next_hop, const std::string& reason);
  void up(const std::string& next_hop) {
    if (down_since_ms_.load(std::memory_order_relaxed) != 0) back(next_hop);
  }

 private:
  void back(const std::string& next_hop);
  std::atomic<std::int64_t> down_since_ms_{0};  // steady; 0 = it is up, as far as is known
};

struct Options {
  std::string name;
  Kind kind = Kind::kSmtp;
  io::Endpoint address;   // kSmtp, kLmtp
  std::string unix_path;  // instead of address when not empty
  std::string folder;     // kMaildir; it must exist. Mail for local@domain goes to folder/domain/local in lower case
  Tls tls = Tls::kOpportunistic;  // opportunistic: what fails in TLS is tried once more in the clear (RFC 7435)
  // kEncrypt: never in the clear, whoever it is. kRequired: never unproven either; tls_context verifies or pins.
  std::shared_ptr<io::TlsContext> tls_context;  // empty = unverified; a verifying one checks tls_name
  std::string tls_name;                         // for SNI and the certificate
  std::size_t sessions_count = 20;              // at once, kept ones included
  std::int64_t timeout_ms = 60'000;             // for each reply and each write
  std::int64_t dot_timeout_ms = 0;              // for the reply to the final dot; 0: timeout_ms, at most 60 s
  std::string helo_domain = "localhost";
  std::shared_ptr<Health> health = std::make_shared<Health>();  // shared by the copies of these options; null: not told
  std::shared_ptr<Offer> offer = std::make_shared<Offer>();     // likewise
  bool xforward = false;  // tell it whose mail it is, where it offers XFORWARD (Postfix)
  // As configured: what is shared by copies does not count.
  bool operator==(const Options& other) const;
};

// From whom we have the mail, for XFORWARD.
struct Client {
  std::string name;  // the proven reverse name, or empty
  core::IpAddress ip;
  std::uint16_t port = 0;
  std::string helo;
  bool esmtp = true;
  std::string ident;  // our transaction id
};

struct Envelope {
  std::string mail_from;           // "" = the null return path; octets as they came, without brackets
  std::vector<std::string> rcpts;  // likewise; at least one
  bool eight_bit = false;          // the client said BODY=8BITMIME
  std::uint64_t size_bytes = 0;    // of what will be sent; 0 = not known yet
  bool smtp_utf8 = false;          // the client said SMTPUTF8
  bool utf8_header = false;        // and the message's header needs it
  bool require_tls = false;
  std::string ret, envid;                             // RFC 3461, as they came
  std::vector<smtp::RcptParameters> rcpt_parameters;  // in the order of rcpts; or empty
  std::optional<Client> client;
  // Steady; by then all has ended: before the final dot kTemporary, after it kUnknown. Who waits for our answer waits
  // no longer than he does.
  std::int64_t until_ms = io::kNoDeadline;
};

enum class Outcome : std::uint8_t {
  kAccepted,   // RCPT was accepted; nothing is sent yet
  kDelivered,  // the next hop has taken responsibility
  kRefused,    // 5xx
  kTemporary,  // 4xx, no connection, or it broke before the final dot: nothing was delivered
  kUnknown,    // the final dot went out and no answer came: it may have been delivered (RFC 1047)
};
struct RcptOutcome {
  Outcome outcome = Outcome::kTemporary;
  smtp::Reply reply;     // the next hop's own (Reply::heard), or ours (4xx) where it gave none
  std::string queue_id;  // the next hop's, from the text of its 250; empty where it names none
};

struct Edits {
  std::vector<std::string>
      prepend;  // whole fields "Name: value", first one first; folds are CRLF + WSP; final CRLF optional
  std::vector<const mail::HeaderField*> drop;  // of that message's fields()
};

// One mail on its way. Destroyed unsent, nothing is delivered (its session is closed).
class Transaction {
 public:
  Transaction(Transaction&&) noexcept;
  Transaction& operator=(Transaction&&) noexcept;
  ~Transaction();
  const std::vector<RcptOutcome>& rcpts() const;  // in the order of the envelope
  bool any_accepted() const;
  // A session came about: greeting, EHLO and, where wanted, TLS. False: no word of the next hop was about this mail, so
  // another of the domain's hosts may be tried.
  bool met() const;
  // Sends to the accepted recipients and gives all outcomes, none of them kAccepted. Call it once. Message octets go
  // out as they are but for the edits, dot-stuffing and a missing final CRLF; bare CR, bare LF and NUL are refused
  // (554 5.6.0).
  core::Task<std::vector<RcptOutcome>> send(std::shared_ptr<const mail::Message> message, Edits edits);

  struct Impl;
  explicit Transaction(std::unique_ptr<Impl> impl);

 private:
  std::unique_ptr<Impl> impl_;
};

struct ProbeAnswer {
  enum class Kind : std::uint8_t { kExists, kUnknown, kTemporary } kind = Kind::kTemporary;
  smtp::Reply reply;  // of the next hop to RCPT, or ours
};
// What a next hop accepts although it should not, for a warning at start-up.
struct Survey {
  bool reachable = false;
  smtp::Reply failure;                // when not reachable
  bool accepts_foreign_rcpt = false;  // it would relay for us, so local_domains is the only guard
  bool accepts_random_rcpt = false;   // it does not know its users: a recipients table is needed
};
struct Stats {  // since the start
  std::uint64_t connects = 0, reuses = 0, retries = 0, unknowns = 0, probes = 0, probe_hits = 0;
  std::size_t sessions_open = 0;
};

class NextHop {
 public:
  // clock, random and pool must outlive it. The pool does the disk work of a Maildir.
  NextHop(Options options, core::Clock& clock, core::Random& random, io::Pool& pool);
  ~NextHop();
  const Options& options() const;
  // MAIL, RCPT and, where PIPELINING is offered, DATA in one go. Never fails: what went wrong stands in rcpts().
  core::Task<Transaction> open(Envelope envelope);
  // MAIL FROM:<>, RCPT, RSET on sessions of its own. Yes is remembered for 5 minutes, no for 1 minute, temporary never.
  core::Task<ProbeAnswer> probe(std::string rcpt);
  core::Task<Survey> survey(std::string local_domain);
  std::optional<Capabilities> capabilities() const;  // nothing before the first session
  // Asks a hop that was not met yet what it can take; in a few seconds at most, and not again at once when it is away.
  core::Task<void> meet();
  Stats stats() const;
  void close_idle();  // for drain

  struct Impl;

 private:
  std::shared_ptr<Impl> impl_;
};

}  // namespace sekisho::transfer
