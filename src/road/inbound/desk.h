#pragma once
// Private to the road: the clerk's work behind the five moments - notes, verdicts, records, hand-over.
#include "mail/transaction/transaction.h"
#include "road/inbound/inbound.h"

namespace sekisho::inbound {

struct Ruling {
  verdict::Ruling kind = verdict::Ruling::kNone;
  std::string subject;
};

// One transaction of this road.
struct Open {
  Open(World& world, const smtp::Path& path, const smtp::MailParameters& parameters);
  const Config& config() const { return transaction.config<Config>(); }
  void add(const smtp::Path& path, const smtp::RcptParameters& parameters);
  void seal_recipients();

  const Present present;  // as it was at MAIL
  mail::Transaction transaction;
  Case mail;
  bool observed = false;                          // in every stage: nothing of the mail is touched
  const envelope::LocalDomain* domain = nullptr;  // of the first accepted recipient: sets the next hop
};

class Desk {
 public:
  explicit Desk(World& world) : world_(world) {}

  smtp::Capabilities capabilities() const;
  core::Task<void> meet_hops();  // so that capabilities() knows
  Ruling ruling(const Case& mail) const;
  void note_limit(Case& mail, connection::Limit limit);
  // What the session has shown before the mail began.
  void note_session(const session::SessionFacts& facts, Case& mail);
  // The limits of the client behind a trusted relay, which are known late.
  void note_origin_limits(Case& mail, std::size_t recipients);
  void note_domain_limit(Case& mail, std::size_t recipients);
  // Who used SUBMITTER is held to it (RFC 4405 section 4.2).
  void note_submitter(const mail::Message& message, Open& open);
  void note_temporary(Case& mail);
  const envelope::LocalDomain* local_domain(const smtp::Path& path, const Config& config) const;
  std::string domain_text(const smtp::Path& path) const;
  core::Task<void> look_at_recipient(const smtp::Path& path, const envelope::LocalDomain& domain, const Open& open,
                                     Case& recipient);

  verdict::Policy policy_for(const Open& open) const;
  verdict::Verdict decide(const Case& mail, const verdict::Policy& policy, verdict::Moment moment,
                          const Ruling& ruling) const;
  // Decides before the message is here; a refusal gets its receipt and is summed up for the session's record.
  session::Step judge(const session::SessionFacts& facts, const Case& mail, const verdict::Policy& policy,
                      verdict::Moment moment, const Ruling& ruling);
  // A reply that is not ours to give a verdict on (the next hop's about a recipient); summed up likewise.
  session::Step pass_on(const session::SessionFacts& facts, const Case& mail, const smtp::Reply& reply);
  // The gate's own refusal of a message: receipt and record.
  void note_refused(const session::SessionFacts& facts, const Case& mail, std::string_view finding, smtp::Reply& reply);
  // Records, hands over, and gives the final reply.
  core::Task<smtp::Reply> carry_out(const session::SessionFacts& facts, Open& open, const verdict::Verdict& verdict,
                                    std::int64_t started_us);
  void close(const session::SessionFacts& facts, const session::SessionSummary& summary);

 private:
  void sum_up(const session::SessionFacts& facts, const Case& mail, const verdict::Verdict& verdict,
              const smtp::Reply& reply);
  core::Task<trail::Digest> take_digest(const mail::Message& message);
  void note_sender(std::string mail_from);
  void note_recipient(const std::string& address);
  std::string add_receipt(const Case& mail, const verdict::Verdict& verdict, smtp::Reply& reply);
  core::Task<smtp::Reply> hand_over(const session::SessionFacts& facts, Open& open, const verdict::Verdict& verdict,
                                    trail::Decided decided, std::int64_t started_us);
  bool note_doubts(Open& open, const std::vector<transfer::RcptOutcome>& outcomes,
                   const std::vector<std::string>& sent_to, const trail::Digest& digest);
  core::Task<smtp::Reply> settle(Open& open, const std::vector<transfer::RcptOutcome>& outcomes,
                                 const std::vector<std::string>& sent_to, const trail::Digest& digest,
                                 trail::Outcome& outcome);

  World& world_;
  trail::Refused refused_;
  std::uint64_t recipients_seen_ = 0, deferred_ = 0, rejected_ = 0;
};

// The records, made from what is known (record.cc).
trail::Client client_of(const session::SessionFacts& facts);
trail::Client client_of(const session::SessionFacts& facts, const Case& mail);
trail::Decided decided_of(const session::SessionFacts& facts, const Open& open, const verdict::Verdict& verdict,
                          const trail::Digest& digest);
trail::ReasonFact reason_of(const verdict::Reason& reason);

}  // namespace sekisho::inbound
