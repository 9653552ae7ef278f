#pragma once
// The server side of SMTP (RFC 5321, 1870, 2920, 3030, 3207, 3461, 6152, 6531, 8689, 9422) without a socket: octets in,
// replies and questions out. The caller feeds octets as they come, does what the action says, answers questions, and
// writes output() whenever feed() asked for more input (so replies stay in order and are flushed when the input is
// drained, RFC 2920 section 3.2). One thread at a time. How the octets are cut into feeds changes no reply, except that
// octets found behind a command which must be the last of its group (EHLO, DATA, STARTTLS) are noticed only when they
// came together with it.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "mail/smtp/command.h"
#include "mail/smtp/data_reader.h"
#include "mail/smtp/octet_pool.h"
#include "mail/smtp/server_settings.h"
#include "mail/smtp/xclient.h"

namespace sekisho::smtp {

// What the caller does next. Asks are answered by answer() before the next feed().
struct NeedInput {};
struct AskConnect {};
// A trusted peer names another client: take it over, then answer as to AskConnect.
struct AskClient {
  XclientCommand command;
};
struct AskHelo {
  HeloCommand command;
};
struct AskMail {
  MailCommand command;
};
struct AskRcpt {
  RcptCommand command;
};
struct AskMessage {
  std::string octets;  // unstuffed, CRLF only, no bare CR, LF or NUL
  OctetLease lease;    // to be kept as long as the octets
};
struct StartTls {};  // write output(), do the handshake, then call tls_started(); drop what was read in the clear
struct Close {};     // write output(), then hang up
using Action = std::variant<NeedInput, AskConnect, AskClient, AskHelo, AskMail, AskRcpt, AskMessage, StartTls, Close>;

// Is told of every message that the core refuses by itself, before its reply is written, and may add to the reply's
// text. finding: "size_exceeded", "bare_line_end", "nul_octet" or "line_too_long". mail_from: of a MAIL that was
// refused; null when a transaction is open.
class RefusalWitness {
 public:
  virtual ~RefusalWitness() = default;
  virtual void refused(std::string_view finding, Reply& reply, const Path* mail_from) = 0;
};

class Server {
 public:
  Server(const ServerSettings& settings, OctetPool& pool);  // both outlive it

  void set_witness(RefusalWitness* witness) { witness_ = witness; }  // outlives it; null: nobody
  Action start();                                                    // once, first
  Action feed(std::string_view& input);
  // To the last question: nothing = go on with the usual reply. AskMessage always needs a reply.
  // A negative reply to AskConnect ends the session; Reply::close or code 421 ends it after any.
  void answer(const std::optional<Reply>& reply);
  // LMTP, to AskMessage: one reply for each accepted recipient in the order of RCPT. answer() says the same to all.
  void answer_each(const std::vector<Reply>& replies);
  void tls_started();
  // The input will not go on: 421 (or 550 after a faulty message that looks ended) is written and feed() closes.
  void give_up(std::string_view reason_421);
  // Whether the peer may name clients by XCLIENT; to be said again after each AskClient, before its answer.
  void allow_xclient(bool allowed) { xclient_ = allowed; }
  // What EHLO offers from now on; the gate's own size limit still holds.
  void set_capabilities(const Capabilities& offered);

  std::string& output() { return output_; }  // replies to be written; the caller empties it
  // True once after a transaction ended without AskMessage (RSET, EHLO, STARTTLS, a faulty message).
  bool take_reset() { return std::exchange(reset_, false); }
  // Between DATA and its end, from the first BDAT to the end of the last, or while a refused chunk is read away.
  bool reading_data() const {
    return std::holds_alternative<Reading>(state_) || std::holds_alternative<Chunked>(state_) ||
           std::holds_alternative<Discarding>(state_);
  }
  bool between_chunks() const;  // ... and another BDAT is due
  bool in_transaction() const { return std::holds_alternative<Envelope>(state_) || reading_data(); }
  bool ended() const { return std::holds_alternative<Ended>(state_); }
  bool quit() const { return quit_; }  // the client said so
  std::uint64_t data_octets() const;   // of the message being read
  bool looks_ended() const;  // the client may wait after an end that was none: see DataReader; do not let it wait long
  SessionEvents& events() { return events_; }

 private:
  struct Opening {};  // before the greeting
  struct Greeted {};  // no HELO yet, or forgotten by STARTTLS
  struct Ready {};    // HELO done, no transaction
  struct Envelope {
    MailParameters parameters;
    std::uint32_t accepted = 0, over_limit = 0;
    bool tried = false;  // a RCPT was seen
  };
  struct Reading {
    DataReader data;
  };
  struct Chunked {  // BDAT: in a chunk, or between two
    DataReader data;
    std::uint64_t size = 0, left = 0;  // of the chunk
    bool open = false, last = false;
  };
  struct Failed {  // a chunk was refused: only RSET, EHLO or the LAST chunk end this (RFC 3030 section 2)
    std::uint64_t discarded = 0;
  };
  enum class Then : unsigned char { kGreeted, kReady, kFailed };
  struct Discarding {  // the octets of a refused chunk: none of them is run
    std::uint64_t size = 0, left = 0, before = 0;
    std::string_view refusal;
    Then then = Then::kReady;
    bool again = false;  // an earlier chunk was refused, its sender could not know yet
  };
  struct Ended {};
  enum class Question : unsigned char { kNone, kConnect, kClient, kHelo, kMail, kRcpt, kMessage };

  std::optional<Action> take(std::string_view& input);
  std::optional<Action> take_line(std::string_view& input);
  std::optional<Action> run(std::string_view line, bool more_behind);
  std::optional<Action> run_greeting(const CommandLine& command, bool more_behind);
  std::optional<Action> run_helo(bool extended, std::string_view argument, bool more_behind);
  std::optional<Action> run_mail(std::string_view argument);
  std::optional<Action> run_rcpt(std::string_view argument);
  std::optional<Action> run_data(std::string_view argument, bool more_behind);
  std::optional<Action> run_starttls(std::string_view argument, bool more_behind);
  std::optional<Action> run_xclient(std::string_view argument);
  std::optional<Action> run_bdat(std::string_view argument);
  void run_small(Verb verb, std::string_view argument);
  std::optional<Action> read_data(Reading& reading, std::string_view& input);
  std::optional<Action> end_of_data(DataReader& data, bool counted);
  std::optional<Action> read_chunk(Chunked& chunked, std::string_view& input);
  std::optional<Action> end_of_chunk(Chunked& chunked);
  std::optional<Action> begin_chunk(Chunked& chunked, const BdatCommand& chunk);
  void refuse_chunk(const BdatCommand& chunk);
  void discard(Discarding& discarding, std::string_view& input);
  void end_of_discard(Discarding done);
  void refuse_message(DataFault fault, bool end_is_certain);
  void refuse_and_end(DataFault fault);
  void answer_rcpt(const std::optional<Reply>& reply);
  void answer_message(const std::optional<Reply>& reply);
  void count_message();
  std::string result(const Reply& reply) const;  // of the whole message: for each recipient where LMTP wants it
  void greet();
  void say_capabilities();
  void say(std::string_view reply) { output_ += reply; }
  void say_and_end(std::string_view reply);
  void refuse(std::string_view reply);  // a 5xx that counts
  void refuse(const Reply& reply);
  Reply witnessed(std::string_view finding, Reply reply, const Path* mail_from = nullptr);
  void count_error();
  bool count_junk();
  void drop_transaction();

  const ServerSettings& settings_;
  OctetPool& pool_;
  RefusalWitness* witness_ = nullptr;
  Capabilities offered_;
  std::variant<Opening, Greeted, Ready, Envelope, Reading, Chunked, Failed, Discarding, Ended> state_;
  Question question_ = Question::kNone;
  LineReader lines_;
  std::string line_;  // the start of a command whose end has not come
  std::string output_;
  SessionEvents events_;
  std::uint32_t errors_ = 0, unknown_ = 0, junk_ = 0;  // towards the limits; they fall with every accepted message
  std::uint32_t mails_ = 0;
  std::uint32_t due_ = 0;  // recipients that the message has
  bool extended_ = false;
  bool reset_ = false;
  bool tls_active_ = false;
  bool xclient_ = false;
  bool saw_input_ = false;
  bool quit_ = false;
};

}  // namespace sekisho::smtp
