#pragma once
// One mail transaction, from MAIL to its final reply (RFC 5321 section 3.3). Made anew at each MAIL and destroyed
// whole, never reset. It owns the envelope, the budget that every parser of this mail draws from, and the config it
// began with: a reload during the transaction changes nothing in it. Used on its session's loop only.
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/core/budget.h"
#include "base/core/random.h"
#include "mail/message/message.h"
#include "mail/smtp/command.h"
#include "mail/smtp/path.h"

namespace sekisho::mail {

class Transaction {
 public:
  // config: the snapshot taken at MAIL, of whatever type its maker uses; config<T>() must name the same one.
  template <class T>
  Transaction(core::TransactionId id, smtp::Path mail_from, smtp::MailParameters parameters,
              std::shared_ptr<const T> config)
      : id_(id), mail_from_(std::move(mail_from)), parameters_(std::move(parameters)), config_(std::move(config)) {}
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  const core::TransactionId& id() const { return id_; }
  const smtp::Path& mail_from() const { return mail_from_; }
  const smtp::MailParameters& parameters() const { return parameters_; }
  template <class T>
  const T& config() const {
    return *static_cast<const T*>(config_.get());
  }

  // Accepted recipients in the order of RCPT, each once: RFC 5321 section 3.3 lets a client repeat one, a copy is
  // enough.
  const std::vector<smtp::Path>& rcpt_to() const { return rcpt_to_; }
  // In the same order: what came with the first RCPT of each.
  const std::vector<smtp::RcptParameters>& rcpt_parameters() const { return rcpt_parameters_; }
  // False when it was there already (compared octet by octet, the domain without letter case).
  bool add_rcpt(smtp::Path path, smtp::RcptParameters parameters = {});

  core::Budget& budget() { return budget_; }

  // Set once, when the data have ended.
  void set_message(std::shared_ptr<const Message> message);
  const std::shared_ptr<const Message>& message() const { return message_; }

 private:
  core::TransactionId id_;
  smtp::Path mail_from_;
  smtp::MailParameters parameters_;
  std::shared_ptr<const void> config_;
  std::vector<smtp::Path> rcpt_to_;
  std::vector<smtp::RcptParameters> rcpt_parameters_;
  core::Budget budget_;
  std::shared_ptr<const Message> message_;
};

}  // namespace sekisho::mail
