#pragma once
// One transaction on one session: from MAIL to the reply to DATA, then the message and its replies. It knows nothing of
// retries; Transaction does those.
#include <optional>
#include <vector>

#include "transfer/data_writer.h"
#include "transfer/session_pool.h"

namespace sekisho::transfer {

class Exchange {
 public:
  Exchange(std::shared_ptr<const Options> options, const Envelope& envelope);
  // The outcome of each recipient; a Failure when the session broke on the way (outcomes() say so too).
  core::Task<core::Result<void, Failure>> begin(SessionPool& pool, bool fresh);
  // After begin(), when any recipient was accepted. A Failure only before the final dot went out.
  core::Task<core::Result<void, Failure>> send(MessageStream& stream);

  const std::vector<RcptOutcome>& outcomes() const { return outcomes_; }
  std::vector<RcptOutcome>& outcomes() { return outcomes_; }
  bool any_accepted() const;
  bool reused() const { return reused_; }
  bool met() const { return met_; }                           // a session was there
  void fail_open(Outcome outcome, const smtp::Reply& reply);  // for all that are kAccepted

 private:
  std::string mail_command() const;
  std::string rcpt_command(std::size_t i) const;
  // Why this session cannot take the mail as its client wants it; nothing when it can.
  std::optional<RcptOutcome> unable() const;
  void hold_back();
  core::Task<core::Result<void, Failure>> pipelined();
  core::Task<core::Result<void, Failure>> in_lockstep();
  core::Task<core::Result<smtp::Reply, Failure>> reply();
  core::Task<core::Result<smtp::Reply, Failure>> command(std::string line);
  core::Task<core::Result<void, Failure>> take_rset(const smtp::Reply& answer);
  core::Task<core::Result<void, Failure>> take_data(smtp::Reply answer);
  core::Task<core::Result<void, Failure>> write_all(MessageStream& stream);
  core::Task<Failure> early_words();
  core::Task<void> final_replies();
  void set_all(Outcome outcome, const smtp::Reply& answer);
  core::Result<void, Failure> broken(const Failure& why);

  std::shared_ptr<const Options> options_;
  const Envelope& envelope_;
  SessionPool::Lease lease_;
  bool reused_ = false, met_ = false;
  std::vector<RcptOutcome> outcomes_;
  std::vector<bool> held_;              // recipients over the next hop's LIMITS: not offered to it
  std::vector<std::string> forwarded_;  // XFORWARD commands, each with its CRLF
};

// What a reply to RCPT, DATA or the final dot means.
Outcome judge(const smtp::Reply& reply);
bool is_safe_path(std::string_view path);  // may stand between < and >: no controls, no < > or blank outside quotes, at
                                           // most 1000 octets

}  // namespace sekisho::transfer
