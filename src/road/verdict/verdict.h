#pragma once
// The one room that holds policy: facts of the other rooms in, one verdict out. A table of cells (cells.def) says what
// each fact means for the mail; every cell is a setting "policy.<cell>". No clock, no network, no state, but for
// TempErrorMemory (temperror.h).
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/ip_address.h"
#include "base/core/result.h"
#include "mail/smtp/reply.h"
#include "road/finding/finding.h"
#include "road/verdict/temperror.h"

namespace sekisho::verdict {

enum class Action : std::uint8_t {
  kAccept,
  kTag,
  kQuarantine,
  kDefer,
  kReject
};  // by weight: the heaviest cell decides
enum class Stage : std::uint8_t { kConnection, kEnvelope, kIdentity, kReputation, kConsent, kContent };
enum class Moment : std::uint8_t { kConnect, kHelo, kMailFrom, kRcptTo, kMessage };
enum class Basis : std::uint8_t { kConsent, kLegitimateBusinessAct, kSelfDefence, kCourtOrder };
enum class Operator : std::uint8_t { kCarrier, kEnterprise };
enum class Mode : std::uint8_t { kEnforce, kObserve };
std::string_view word(Action action);  // "accept" "tag" "quarantine" "defer" "reject"
std::string_view word(Stage stage);    // "connection" ...
std::string_view word(Basis basis);    // "consent" "legitimate_business_act" "self_defence" "court_order"

struct SpfFacts {
  road::AuthResult result = road::AuthResult::kNone;
  std::string domain;
  std::string explanation;  // the domain's own words (exp=), shown when its fail is refused
};
struct DkimFacts {
  road::AuthResult result = road::AuthResult::kNone;
  std::string domain;
  bool aligned = false;
  bool testing = false;  // t=y in the key: a failure counts as unsigned (RFC 6376 section 3.6.1)
};
enum class OwnerPolicy : std::uint8_t { kNone, kQuarantine, kReject };  // as dmarc::Policy
struct DmarcFacts {
  road::AuthResult result = road::AuthResult::kNone;
  OwnerPolicy policy = OwnerPolicy::kNone;  // after t= and pct=
  bool testing = false;
  std::string author_domain;
};
enum class SenderDomain : std::uint8_t { kNotAsked, kGood, kNonExistent, kNullMx, kNoAddress, kTemporary };
// Why a DMARC failure may be honest (RFC 7960), or a refusal is lifted.
enum class Override : std::uint8_t { kNone, kTrustedForwarder, kMailingList, kArc, kPolicyTestMode, kOperator };
std::string_view word(Override reason);  // "" "trusted_forwarder" "mailing_list" "arc" "policy_test_mode" "operator"
enum class Ruling : std::uint8_t { kNone, kAllow, kDeny, kBypass };  // `sekisho allow|deny|bypass`
// What is known so far; what was not asked keeps its default. Views must outlive the call.
struct Facts {
  SpfFacts spf_mail_from, spf_helo;
  std::vector<DkimFacts> dkim;
  DmarcFacts dmarc;
  std::span<const road::Finding> findings;
  road::AuthResult iprev = road::AuthResult::kNone;  // none: not asked; permerror: no PTR (RFC 8601 section 3)
  bool null_return_path = false;
  bool exempt_recipient = false;  // every recipient is postmaster@ or abuse@
  std::string mail_from_domain;
  SenderDomain sender_domain = SenderDomain::kNotAsked;
  bool recipient_null_mx = false;        // outbound: RFC 7505 section 4.2
  std::int64_t temperror_age_s = 0;      // TempErrorMemory::age_s
  Override explained = Override::kNone;  // a trusted list, forwarder or ARC sealer explains a DMARC failure
  Ruling ruling = Ruling::kNone;
  std::string ruling_evidence;                         // its subject
  std::optional<Basis> ruling_basis;                   // e.g. a court order
  std::uint64_t size_octets = 0, size_max_octets = 0;  // 0: no limit
  unsigned received_count = 0;
};

enum class Cell : std::uint8_t {
#define CELL(id, ...) k_##id,
#include "road/verdict/cells.def"
#undef CELL
  kCount
};

struct PolicyRow {
  std::string_view key, fallback, allowed;  // "policy.spf_fail", "tag", "accept|tag|quarantine|defer|reject"
  std::string_view meaning, meaning_ja;
};
std::span<const PolicyRow> policy_table();

struct Policy {
  Policy();  // the defaults of cells.def
  Action at(Cell cell) const { return actions[static_cast<std::size_t>(cell)]; }
  // The error names what is allowed.
  core::Result<void, std::string> set(std::string_view key, std::string_view value);
  Mode mode(Stage stage) const { return modes[static_cast<std::size_t>(stage)]; }

  std::array<Action, static_cast<std::size_t>(Cell::kCount)> actions;
  std::array<Mode, 6> modes{};
  Operator operator_kind = Operator::kEnterprise;
  std::int64_t temperror_max_s = 4 * 3600;  // how long temporary faults are answered 451
  unsigned received_max = 50;               // more Received fields are a loop (RFC 5321 section 6.3)
};

struct Reason {
  Stage stage;
  std::string_view room, code;  // for road::explain
  std::string evidence;
  Action action;         // what its cell says
  bool enforced = true;  // false: the stage is only observed, or an override lifts it
};
struct Verdict {
  Action action = Action::kAccept;    // before the last moment accept means: go on
  Action would_be = Action::kAccept;  // with every stage enforced and no override
  smtp::Reply reply;                  // for defer and reject; the caller adds the receipt
  std::vector<Reason> reasons;        // heaviest first; empty when nothing spoke against the mail
  Basis basis = Basis::kLegitimateBusinessAct;
  Override override_reason = Override::kNone;
};
Verdict decide(const Facts& facts, const Policy& policy, Moment moment);

}  // namespace sekisho::verdict
