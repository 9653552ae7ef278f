#pragma once
// One SMTP session: a socket, TLS, the SMTP core and a road. It takes octets in, asks the road at the five moments and
// writes the replies; it decides nothing about mail. Runs on the loop it was started on. An idle session owns no
// buffer.
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/core/clock.h"
#include "base/core/network.h"
#include "base/core/random.h"
#include "base/core/task.h"
#include "base/io/io.h"
#include "mail/message/message.h"
#include "mail/smtp/server.h"

namespace sekisho::session {

struct Settings {
  smtp::ServerSettings smtp;
  std::string listener = "mx";
  std::shared_ptr<io::TlsContext> tls;  // null: STARTTLS is not offered
  // Peers in proxy_from must begin with a PROXY header, nobody else may. Clients in xclient_from may name others.
  std::vector<core::Network> proxy_from, xclient_from;
  std::int64_t proxy_timeout_ms = 5'000;      // for the whole header
  std::int64_t greet_pause_ms = 0;            // wait so long for a client that speaks too early
  std::int64_t command_timeout_ms = 300'000;  // for a whole command line (RFC 5321 section 4.5.3.2.7)
  std::int64_t data_timeout_ms = 180'000;     // for the next block of data (section 4.5.3.2.5)
  std::int64_t data_grace_ms = 240'000;       // after it the data must have come at data_octets_per_s on average
  std::uint32_t data_octets_per_s = 100;
  std::int64_t data_total_ms = 3'600'000;
  std::int64_t quiet_ms = 3'000;  // silence after a message that looks ended but is not
  std::int64_t tls_handshake_ms = 30'000;
  std::int64_t write_timeout_ms = 60'000;  // for a client that does not read
  std::int64_t session_ms = 1'800'000;     // then 421 instead of another command
  std::uint16_t node = 0;                  // in the session's id
};

// What is known of the session so far. Owned by the session; the road may keep a reference until its own end.
struct SessionFacts {
  core::TransactionId id;  // of the session; each transaction has its own
  std::string listener;
  io::Endpoint peer;    // at the other end of the socket
  io::Endpoint client;  // whom the peer speaks for: itself, unless a trusted one named another by PROXY or XCLIENT
  io::Endpoint local;   // where that client came to
  enum class NamedBy : unsigned char { kNobody, kProxy, kXclient } named_by = NamedBy::kNobody;
  // A trusted peer did not name its client: a proxy on its own account, or XCLIENT with an address that is not known.
  // Then no trust that `client` might have elsewhere counts.
  bool unnamed = false;
  bool patient = false;         // was silent through the whole pause before the greeting
  std::int64_t started_us = 0;  // wall time
  std::optional<io::TlsFacts> tls;
  std::string helo_domain;     // as sent; empty before HELO and again after STARTTLS
  bool extended_helo = false;  // EHLO
  smtp::SessionEvents events;  // brought up to date before each moment
};

enum class SessionEnd : unsigned char {
  kQuit,
  kRefused,  // the gate or the road closed it
  kLost,     // the client went away
  kTimeout,
  kTls,       // the handshake failed
  kShutdown,  // the gate is draining
};

struct SessionSummary {
  SessionEnd end = SessionEnd::kLost;
  std::int64_t duration_ms = 0;
  std::uint64_t octets_in = 0, octets_out = 0;
  smtp::SessionEvents events;
};

struct Continue {};
struct Verdict {
  smtp::Reply reply;
};
using Step = std::variant<Continue, Verdict>;

// The five moments. The gate calls them one after the other, never two at a time; arguments live until the Task is
// done. A negative Verdict refuses that command; at connect, or with Reply::close, it ends the session.
class Road {
 public:
  virtual ~Road() = default;
  // What EHLO may offer (the next hop's), asked at each HELO after at_helo.
  virtual smtp::Capabilities capabilities() const { return {}; }
  // Asked again when XCLIENT has named another client: what was known of the last one is over.
  virtual core::Task<Step> at_connect(const SessionFacts& facts) = 0;
  // Asked after at_connect: this client is greeted without the pause.
  virtual bool greet_at_once() const { return false; }
  virtual core::Task<Step> at_helo(const SessionFacts& facts) = 0;
  // Begins a transaction unless it refuses.
  virtual core::Task<Step> at_mail_from(const smtp::Path& path, const smtp::MailParameters& parameters) = 0;
  // An unknown recipient is refused with enhanced code 5.1.1: the session counts those.
  virtual core::Task<Step> at_rcpt_to(const smtp::Path& path, const smtp::RcptParameters& parameters) = 0;
  // Decides, hands over to the next hop and gives the final reply. The transaction is over with it.
  virtual core::Task<smtp::Reply> at_message(std::shared_ptr<const mail::Message> message) = 0;
  // LMTP: the same with one reply for each accepted recipient, in the order of RCPT. Never asked over SMTP.
  virtual core::Task<std::vector<smtp::Reply>> at_message_each(std::shared_ptr<const mail::Message>) {
    co_return std::vector<smtp::Reply>();
  }
  // The gate refuses a message by itself (smtp::RefusalWitness says which); the road may record it and add to the
  // reply.
  virtual void at_refused(std::string_view, smtp::Reply&, const smtp::Path*) {}
  // The transaction ended without a message: RSET, EHLO, STARTTLS, or a message refused by the gate.
  virtual void at_reset() {}
  // Last, once, whatever happened. An open transaction is over.
  virtual core::Task<void> at_close(const SessionSummary& summary) = 0;
};
// The facts are the session's own and outlive the road.
using RoadFactory = std::function<std::unique_ptr<Road>(const SessionFacts&)>;

// What all sessions of one gate share; the references outlive every session.
struct Shared {
  Settings settings;
  RoadFactory make_road;
  core::Clock& clock;
  core::Random& random;
  smtp::OctetPool& pool;        // the octets of all messages in RAM
  io::Pool* workers = nullptr;  // where big messages are parsed; null: on the loop
};

// The sessions of one loop, so that a drain can reach those that wait. Used on that loop only.
class Roster {
 public:
  // Sessions between transactions get 421 now, the others after their transaction.
  void drain();
  void go_on() { draining_ = false; }  // the drain is called off: those that are still there stay
  bool draining() const { return draining_; }
  std::size_t size() const { return size_; }

 private:
  friend class Session;
  class Session* first_ = nullptr;
  std::size_t size_ = 0;
  bool draining_ = false;
};

// Serves a connected, non-blocking descriptor to its end. local: where it was accepted, asked of the kernel when its
// port is 0.
core::Task<void> serve(int fd, io::Endpoint local, std::shared_ptr<const Shared> shared,
                       std::shared_ptr<Roster> roster);

}  // namespace sekisho::session
