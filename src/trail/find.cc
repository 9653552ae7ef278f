#include "trail/find.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/core/text.h"

namespace sekisho::trail {

std::string_view word(StoryState state) {
  switch (state) {
    case StoryState::kPending:
      return "pending";
    case StoryState::kUnknown:
      return "unknown";
    case StoryState::kDelivered:
      return "delivered";
    case StoryState::kNotDelivered:
      return "not_delivered";
    case StoryState::kRefused:
      return "refused";
    case StoryState::kSession:
      return "session";
  }
  return "session";
}

std::string_view word(TrailError error) {
  switch (error) {
    case TrailError::kReasonRequired:
      return "a reason is required for this query";
    case TrailError::kNothingAsked:
      return "nothing was asked";
    case TrailError::kIndex:
      return "the index cannot be read";
  }
  return "failed";
}

namespace {
template <class T>
const T* first_of(const std::vector<Told>& events) {
  for (const auto& told : events)
    if (const auto* event = std::get_if<T>(&told.event)) return event;
  return nullptr;
}

// What the criteria of a query are compared with, gathered from all events of a story.
class Match {
 public:
  Match(const Query& query, const std::set<RecipientHash>& recipients) : query_(query), recipients_(recipients) {}

  bool operator()(const Story& story) {
    for (const auto& told : story.events) std::visit(*this, told.event);
    return (!query_.message_id || message_id_) && (!query_.queue_id || queue_id_) &&
           (!query_.mail_from || mail_from_) && (!query_.rcpt_to || recipient_) && (!query_.client_ip || client_) &&
           (!query_.domain || domain_) && (!query_.digest || digest_);
  }

  void operator()(const Decided& event) {
    client(event.client);
    mail_from(event.mail_from);
    recipients(event.recipients);
    message_id_ |=
        query_.message_id && core::iequals(bare_message_id(*query_.message_id), bare_message_id(event.message_id));
    digest_ |= query_.digest == event.digest;
    domain(event.author_domain);
    for (const auto& method : event.authentication) domain(method.domain);
  }
  void operator()(const Outcome& event) {
    queue_id_ |= query_.queue_id && core::iequals(*query_.queue_id, event.queue_id);
  }
  void operator()(const Refused& event) {
    client(event.client);
    mail_from(event.mail_from);
    for (const auto& sender : event.senders) mail_from(sender.mail_from);
    recipients(event.recipients);
  }
  void operator()(const SessionSummary& event) { client(event.client); }
  template <class T>
  void operator()(const T&) {}

 private:
  void client(const Client& c) {
    const auto is = [&](const core::IpAddress& ip, std::uint16_t port) {
      return query_.client_ip == ip && (!query_.client_port || *query_.client_port == port);
    };
    client_ |= is(c.ip, c.port) || is(c.peer_ip, c.peer_port) || is(c.relay_ip, 0);
  }
  void mail_from(const std::string& address) {
    mail_from_ |= query_.mail_from && core::iequals(*query_.mail_from, address);
    if (const auto at = address.rfind('@'); at != std::string::npos) domain(std::string_view(address).substr(at + 1));
  }
  void recipients(const std::vector<Recipient>& list) {
    for (const auto& recipient : list) recipient_ |= recipients_.contains(recipient.hash);
  }
  void domain(std::string_view name) { domain_ |= query_.domain && core::iequals(*query_.domain, name); }

  const Query& query_;
  const std::set<RecipientHash>& recipients_;
  bool message_id_ = false, queue_id_ = false, mail_from_ = false, recipient_ = false, client_ = false, domain_ = false,
       digest_ = false;
};

class Search {
 public:
  Search(const Finder& finder, const Query& query) : finder_(finder), query_(query) {}

  core::Result<Found, TrailError> run() {
    if (query_.rcpt_to) hash_recipient();
    if (!choose()) return core::error(TrailError::kNothingAsked);
    if (!ok_) return core::error(TrailError::kIndex);
    std::stable_sort(found_.stories.begin(), found_.stories.end(),
                     [](const Story& a, const Story& b) { return a.time_us > b.time_us; });
    return std::move(found_);
  }

 private:
  // The key that fits fewest records leads; the rest is compared with what is read.
  bool choose() {
    if (query_.transaction) return by(Key::kStory, index_id(*query_.transaction)), true;
    if (query_.queue_id) return by(Key::kQueueId, index_text(*query_.queue_id), true), true;
    if (query_.message_id) return by(Key::kMessageId, index_text(bare_message_id(*query_.message_id))), true;
    if (query_.digest) return by(Key::kDigest, index_octets({query_.digest->data(), query_.digest->size()})), true;
    if (query_.rcpt_to) return by_recipient(), true;
    if (query_.mail_from) return by(Key::kMailFrom, index_text(*query_.mail_from)), true;
    if (query_.client_ip) return by(Key::kClientIp, index_ip(*query_.client_ip)), true;
    if (query_.domain) return by(Key::kDomain, index_text(*query_.domain)), true;
    if (query_.from_us <= 0 && query_.to_us == INT64_MAX) return false;
    return by(Key::kTime, {}), true;
  }

  // An address has another hash on each day; days whose key retention took have none.
  void hash_recipient() {
    const std::int32_t last = store::day_of(std::min(query_.to_us, finder_.now_us + store::kDayUs));
    const std::int32_t first = std::max(store::day_of(std::max<std::int64_t>(query_.from_us, 0)), last - kMaxDays);
    for (std::int32_t day = last; day >= first; --day) {
      const auto hash = finder_.hashes.recipient_hash(day * store::kDayUs, *query_.rcpt_to, false);
      if (hash) hashes_.insert(*hash), by_day_.push_back(*hash);
    }
  }
  void by_recipient() {
    for (const auto& hash : by_day_) {
      by(Key::kRecipient, hash);
      if (found_.more) return;
    }
  }

  // late: the key is in an event that may follow the story's first one.
  void by(Key key, const IndexValue& value, bool late = false) {
    const std::int64_t to = late && query_.to_us < INT64_MAX - kLate ? query_.to_us + kLate : query_.to_us;
    const auto searched = finder_.projector.find(key, value, query_.from_us, to, [&](const store::IndexEntry& entry) {
      if (!seen_.insert(entry.id).second) return true;
      Story story = read(entry.id);
      if (story.events.empty() || story.time_us > query_.to_us || only_frame(story)) return true;
      if (!Match(query_, hashes_)(story)) return true;
      if (found_.stories.size() >= query_.limit) return found_.more = true, false;
      found_.stories.push_back(std::move(story));
      return true;
    });
    ok_ &= searched.ok();
  }

  // A session whose mails are stories of their own, which end with it.
  bool only_frame(const Story& story) const {
    const auto* session = first_of<SessionSummary>(story.events);
    return story.state == StoryState::kSession && session && session->transactions != 0 && !query_.transaction;
  }

  Story read(const IndexValue& id) {
    Story story;
    std::copy(id.begin(), id.end(), story.id.octets.begin());
    append_events(story, id);
    // A mail's story ends with what its session was like.
    const Decided* decided = story.decided();
    if (decided && decided->session != TransactionId() && decided->session != story.id)
      append_events(story, index_id(decided->session));
    finish(story);
    return story;
  }

  void append_events(Story& story, const IndexValue& id) {
    std::map<std::uint64_t, store::Position> places;
    const auto searched = finder_.projector.find(Key::kStory, id, 0, INT64_MAX, [&](const store::IndexEntry& entry) {
      places.emplace(entry.at.seq, entry.at);
      return places.size() < kMaxEvents;
    });
    ok_ &= searched.ok();
    for (const auto& [seq, at] : places) {
      auto record = finder_.ledger.read(at);
      if (!record) {
        if (record.error().kind != store::StoreErrorKind::kNotFound) found_.problems.push_back(record.error().text());
        continue;
      }
      auto event = decode(record->type, record->fields);
      if (event)
        story.events.push_back({at, record->time_us, std::move(*event)});
      else if (event.error() == CodecError::kDamaged)
        found_.problems.push_back("record " + std::to_string(seq) + " of " + store::day_text(at.day) + " at offset " +
                                  std::to_string(at.offset) + ": its fields do not fit their types");
    }
  }

  void finish(Story& story) const {
    if (story.events.empty()) return;
    story.time_us = story.events.front().time_us;
    if (const Decided* decided = story.decided()) {
      const Outcome* outcome = story.outcome();
      const bool old = story.events.front().at.seq <= finder_.seq_at_open;
      const bool kept_out = decided->action == "reject" || decided->action == "defer";  // no outcome follows
      if (!outcome)
        story.state = kept_out ? StoryState::kNotDelivered : old ? StoryState::kUnknown : StoryState::kPending;
      else if (outcome->delivered)
        story.state = StoryState::kDelivered;
      else  // RFC 1047: the dot went out and no answer came
        story.state = outcome->duplicate ? StoryState::kUnknown : StoryState::kNotDelivered;
    } else if (first_of<Refused>(story.events)) {
      story.state = StoryState::kRefused;
    }
  }

  static constexpr std::int32_t kMaxDays = 800;
  static constexpr std::int64_t kLate = 15 * 60 * 1'000'000ll;
  static constexpr std::size_t kMaxEvents = 1000;
  const Finder& finder_;
  const Query& query_;
  Found found_;
  std::set<IndexValue> seen_;
  std::set<RecipientHash> hashes_;
  std::vector<RecipientHash> by_day_;
  bool ok_ = true;
};
}  // namespace

const Decided* Story::decided() const { return first_of<Decided>(events); }
const Outcome* Story::outcome() const { return first_of<Outcome>(events); }

core::Result<Found, TrailError> Finder::find(const Query& query) const { return Search(*this, query).run(); }

// Design of the law: addresses, IP addresses and Message-IDs are communications data; ids of our own are not.
bool needs_reason(const Query& query) {
  return query.message_id || query.mail_from || query.rcpt_to || query.client_ip;
}

std::string query_text(const Query& query, const std::string& recipient_shown) {
  std::string out;
  const auto add = [&](std::string_view name, std::string_view value) {
    out += (out.empty() ? "" : " ") + std::string(name) + "=" + core::printable(value);
  };
  if (query.transaction) add("transaction", query.transaction->text());
  if (query.message_id) add("message_id", *query.message_id);
  if (query.queue_id) add("queue_id", *query.queue_id);
  if (query.mail_from) add("mail_from", *query.mail_from);
  if (query.rcpt_to) add("rcpt_to", recipient_shown);
  if (query.client_ip) add("client_ip", query.client_ip->text());
  if (query.client_port) add("client_port", std::to_string(*query.client_port));
  if (query.domain) add("domain", *query.domain);
  if (query.digest) add("digest", core::hex({query.digest->data(), query.digest->size()}));
  if (query.from_us > 0) add("from_us", std::to_string(query.from_us));
  if (query.to_us != INT64_MAX) add("to_us", std::to_string(query.to_us));
  return out;
}

}  // namespace sekisho::trail
