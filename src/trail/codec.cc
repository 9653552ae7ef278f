#include <algorithm>
#include <type_traits>

#include "base/core/text.h"
#include "base/store/fields.h"
#include "base/store/ledger.h"
#include "trail/event.h"

namespace sekisho::trail {

namespace {
enum class Tag : std::uint16_t {
#define FIELD(number, name, type, meaning) name = number,
#include "trail/events.def"
};
enum class Kind : std::uint8_t { text, number, flag, ip, id, octets, list };

// One description per struct serves both directions.
template <class V>
void fields(V& v, Client& c) {
  v(Tag::client_ip, c.ip), v(Tag::client_port, c.port), v(Tag::local_ip, c.local_ip), v(Tag::local_port, c.local_port);
  v(Tag::helo_domain, c.helo_domain), v(Tag::reverse_name, c.reverse_name), v(Tag::tls, c.tls);
  v(Tag::peer_ip, c.peer_ip), v(Tag::peer_port, c.peer_port), v(Tag::named_by, c.named_by),
      v(Tag::relay_ip, c.relay_ip);
}
template <class V>
void fields(V& v, Recipient& r) {
  v(Tag::recipient_hash, r.hash), v(Tag::recipient_domain, r.domain), v(Tag::recipient_address, r.address);
  v(Tag::recipient_reply, r.reply);
}
template <class V>
void fields(V& v, Sender& s) {
  v(Tag::mail_from, s.mail_from);
}
template <class V>
void fields(V& v, FindingFact& f) {
  v(Tag::room, f.room), v(Tag::code, f.code), v(Tag::result, f.result), v(Tag::evidence, f.evidence);
}
template <class V>
void fields(V& v, Authentication& a) {
  v(Tag::method, a.method), v(Tag::result, a.result), v(Tag::domain, a.domain), v(Tag::detail, a.detail);
}
template <class V>
void fields(V& v, ReasonFact& r) {
  v(Tag::stage, r.stage), v(Tag::room, r.room), v(Tag::code, r.code), v(Tag::action, r.action);
  v(Tag::evidence, r.evidence), v(Tag::observed, r.observed);
}
template <class V>
void fields(V& v, StageTime& s) {
  v(Tag::stage, s.stage), v(Tag::duration_us, s.duration_us);
}
template <class V>
void fields(V& v, Change& c) {
  v(Tag::kind, c.kind), v(Tag::domain, c.domain), v(Tag::detail, c.detail), v(Tag::why, c.why);
}
template <class V>
void fields(V& v, Decided& d) {
  v(Tag::transaction, d.transaction), v(Tag::session, d.session);
  fields(v, d.client);
  v(Tag::mail_from, d.mail_from), v(Tag::submitter, d.submitter), v(Tag::recipients, d.recipients),
      v(Tag::message_id, d.message_id);
  v(Tag::author_address, d.author_address), v(Tag::author_domain, d.author_domain);
  v(Tag::size_bytes, d.size_bytes), v(Tag::digest, d.digest), v(Tag::findings, d.findings);
  v(Tag::authentication, d.authentication), v(Tag::action, d.action), v(Tag::would_be, d.would_be),
      v(Tag::reply, d.reply);
  v(Tag::reasons, d.reasons), v(Tag::lawful_basis, d.lawful_basis), v(Tag::override_reason, d.override_reason);
  v(Tag::receipt, d.receipt), v(Tag::stage_times, d.stage_times), v(Tag::mode, d.mode), v(Tag::road, d.road);
  v(Tag::config_id, d.config_id), v(Tag::changes, d.changes);
}
template <class V>
void fields(V& v, Outcome& o) {
  v(Tag::transaction, o.transaction), v(Tag::action, o.action), v(Tag::reply, o.reply), v(Tag::delivered, o.delivered);
  v(Tag::next_hop, o.next_hop), v(Tag::next_hop_reply, o.next_hop_reply), v(Tag::queue_id, o.queue_id);
  v(Tag::recipients, o.recipients), v(Tag::duplicate, o.duplicate), v(Tag::duration_us, o.duration_us);
}
template <class V>
void fields(V& v, Refused& r) {
  v(Tag::session, r.session);
  fields(v, r.client);
  v(Tag::mail_from, r.mail_from), v(Tag::recipients, r.recipients), v(Tag::deferred, r.deferred),
      v(Tag::rejected, r.rejected);
  v(Tag::reply, r.reply), v(Tag::receipt, r.receipt), v(Tag::reasons, r.reasons), v(Tag::lawful_basis, r.lawful_basis);
  v(Tag::mode, r.mode), v(Tag::since_us, r.since_us), v(Tag::senders, r.senders);
}
template <class V>
void fields(V& v, SessionSummary& s) {
  v(Tag::session, s.session);
  fields(v, s.client);
  v(Tag::transactions, s.transactions), v(Tag::accepted, s.accepted), v(Tag::deferred, s.deferred),
      v(Tag::rejected, s.rejected);
  v(Tag::recipients_seen, s.recipients_seen), v(Tag::unknown_recipients, s.unknown_recipients),
      v(Tag::commands, s.commands);
  v(Tag::bytes_in, s.bytes_in), v(Tag::duration_us, s.duration_us), v(Tag::early_talker, s.early_talker);
  v(Tag::unauthorised_pipelining, s.unauthorised_pipelining), v(Tag::directory_harvest, s.directory_harvest);
  v(Tag::closed_by, s.closed_by);
}
template <class V>
void fields(V& v, Override& o) {
  v(Tag::kind, o.kind), v(Tag::subject, o.subject), v(Tag::until_us, o.until_us), v(Tag::why, o.why);
  v(Tag::by_whom, o.by_whom), v(Tag::lawful_basis, o.lawful_basis);
}
template <class V>
void fields(V& v, QueryAsked& q) {
  v(Tag::subject, q.subject), v(Tag::why, q.why), v(Tag::by_whom, q.by_whom), v(Tag::found, q.found);
}
template <class V>
void fields(V& v, Started& s) {
  v(Tag::version, s.version), v(Tag::config_id, s.config_id);
}
template <class V>
void fields(V& v, Stopped& s) {
  v(Tag::why, s.why);
}
template <class V>
void fields(V& v, ConfigLoaded& c) {
  v(Tag::config_id, c.config_id), v(Tag::by_whom, c.by_whom);
}
template <class V>
void fields(V& v, IndexRebuilt& i) {
  v(Tag::why, i.why);
}

template <class O>
std::string_view view_of(const O& octets) {
  return {reinterpret_cast<const char*>(octets.data()), octets.size()};
}

// What is empty, zero or false is not written.
class Encoder {
 public:
  void operator()(Tag tag, const std::string& text) {
    if (!text.empty()) put(tag, std::string_view(text).substr(0, kMaxText));
  }
  template <class N>
  std::enable_if_t<std::is_arithmetic_v<N>> operator()(Tag tag, const N& number) {
    if (number != 0) out_.put_u64(static_cast<std::uint16_t>(tag), number);
  }
  void operator()(Tag tag, const core::IpAddress& ip) {
    if (ip != core::IpAddress()) put(tag, view_of(ip.octets()));
  }
  void operator()(Tag tag, const TransactionId& id) {
    if (id != TransactionId()) put(tag, view_of(id.octets));
  }
  template <std::size_t N>
  void operator()(Tag tag, const std::array<char, N>& octets) {
    if (octets != std::array<char, N>{}) put(tag, view_of(octets));
  }
  template <class T>
  void operator()(Tag tag, std::vector<T>& list) {
    for (std::size_t i = 0; i < std::min(list.size(), kMaxList); ++i) {
      Encoder item;
      fields(item, list[i]);
      put(tag, item.out_.octets());
    }
  }
  std::string take() { return out_.take(); }

 private:
  void put(Tag tag, std::string_view value) { out_.put(static_cast<std::uint16_t>(tag), value); }
  store::FieldWriter out_;
};

class Decoder {
 public:
  explicit Decoder(std::string_view octets) {
    store::FieldReader reader(octets);
    fields_.reserve(octets.size() / 12);  // few fields are shorter
    while (const auto field = reader.next()) fields_.push_back(*field);
    damaged_ = reader.damaged();
  }
  bool damaged() const { return damaged_; }

  void operator()(Tag tag, std::string& text) {
    if (const auto* field = find(tag)) text = field->value;
  }
  template <class N>
  std::enable_if_t<std::is_arithmetic_v<N>> operator()(Tag tag, N& number) {
    const auto* field = find(tag);
    if (!field) return;
    const auto value = field->u64();
    if (!value || (!std::is_same_v<N, bool> && static_cast<std::uint64_t>(static_cast<N>(*value)) != *value))
      damaged_ = true;
    else
      number = static_cast<N>(*value);
  }
  void operator()(Tag tag, core::IpAddress& ip) {
    std::array<std::uint8_t, 16> octets;
    if (fixed(tag, octets)) ip = core::IpAddress::v6(octets);
  }
  void operator()(Tag tag, TransactionId& id) { (void)fixed(tag, id.octets); }
  template <std::size_t N>
  void operator()(Tag tag, std::array<char, N>& octets) {
    (void)fixed(tag, octets);
  }
  template <class T>
  void operator()(Tag tag, std::vector<T>& list) {
    for (const auto& field : fields_) {
      if (field.tag != static_cast<std::uint16_t>(tag)) continue;
      if (list.size() == kMaxList) return void(damaged_ = true);
      Decoder item(field.value);
      fields(item, list.emplace_back());
      damaged_ |= item.damaged_;
    }
  }

 private:
  const store::Field* find(Tag tag) const {
    for (const auto& field : fields_)
      if (field.tag == static_cast<std::uint16_t>(tag)) return &field;
    return nullptr;
  }
  template <class O>
  bool fixed(Tag tag, O& out) {
    const auto* field = find(tag);
    if (!field) return false;
    if (field->value.size() != out.size()) return damaged_ = true, false;
    std::copy(field->value.begin(), field->value.end(), out.begin());
    return true;
  }
  std::vector<store::Field> fields_;
  bool damaged_ = false;
};

template <class T>
core::Result<Event, CodecError> decode_as(std::string_view octets) {
  Decoder decoder(octets);
  T value;
  fields(decoder, value);
  if (decoder.damaged()) return core::error(CodecError::kDamaged);
  return Event(std::move(value));
}

constexpr std::uint16_t kFirstType = 16;
template <std::size_t... I>
core::Result<Event, CodecError> decode_any(std::size_t index, std::string_view octets, std::index_sequence<I...>) {
  core::Result<Event, CodecError> out = core::error(CodecError::kUnknown);
  ((index == I ? (out = decode_as<std::variant_alternative_t<I, Event>>(octets), 0) : 0), ...);
  return out;
}

struct Known {
  std::string_view name;
  Kind kind;
};
std::optional<Known> known_field(std::uint16_t tag) {
  switch (tag) {
#define FIELD(number, name, type, meaning) \
  case number:                             \
    return Known{#name, Kind::type};
#include "trail/events.def"
  }
  return {};
}

std::string shown(const Known& known, const store::Field& field) {
  const auto number = field.u64();
  if (known.kind == Kind::number && number) return std::to_string(*number);
  if (known.kind == Kind::flag && number) return *number != 0 ? "yes" : "no";
  if (known.kind == Kind::text) return core::printable(field.value, kMaxText);
  if ((known.kind == Kind::ip || known.kind == Kind::id) && field.value.size() == 16) {
    TransactionId id;
    std::copy(field.value.begin(), field.value.end(), id.octets.begin());
    return known.kind == Kind::id ? id.text() : core::IpAddress::v6(id.octets).text();
  }
  return core::hex(field.value);
}

void describe_into(std::vector<std::pair<std::string, std::string>>& rows, std::string_view octets,
                   const std::string& prefix, bool nested) {
  store::FieldReader reader(octets);
  std::size_t item = 0;
  std::uint16_t last = 0;
  while (const auto field = reader.next()) {
    const auto known = field->tag < kFirstType ? std::nullopt : known_field(field->tag);
    item = field->tag == last ? item + 1 : 0;
    last = field->tag;
    if (!known)
      rows.emplace_back(prefix + "field_" + std::to_string(field->tag), core::hex(field->value));
    else if (known->kind != Kind::list)
      rows.emplace_back(prefix + std::string(known->name), shown(*known, *field));
    else if (!nested)
      describe_into(rows, field->value, prefix + std::string(known->name) + "." + std::to_string(item) + ".", true);
  }
  if (reader.damaged()) rows.emplace_back(prefix + "damaged", "the fields end in the middle");
}
}  // namespace

// The order of the variant is the order of the numbers.
#define EVENT(number, name, meaning) constexpr std::uint16_t kNumber_##name = number;
#include "trail/events.def"
static_assert(kNumber_decided == kFirstType && kNumber_outcome == 17 && kNumber_refused == 18 &&
              kNumber_session == 19 && kNumber_override == 20 && kNumber_query == 21 && kNumber_started == 22 &&
              kNumber_stopped == 23 && kNumber_config_loaded == 24 && kNumber_index_rebuilt == 25 &&
              std::variant_size_v<Event> == 10 && store::kFirstFreeType == kFirstType);

std::uint16_t type_of(const Event& event) { return static_cast<std::uint16_t>(kFirstType + event.index()); }

std::string_view event_name(std::uint16_t type) {
  switch (type) {
    case store::kTypeHead:
      return "head";
    case store::kTypeRetention:
      return "retention";
#define EVENT(number, name, meaning) \
  case number:                       \
    return #name;
#include "trail/events.def"
  }
  return {};
}

std::string encode(const Event& event) {
  Encoder encoder;
  // The descriptions take their struct as changeable because the decoder fills it; the encoder does not.
  std::visit([&](const auto& value) { fields(encoder, const_cast<std::decay_t<decltype(value)>&>(value)); }, event);
  return encoder.take();
}

core::Result<Event, CodecError> decode(std::uint16_t type, std::string_view octets) {
  if (type < kFirstType) return core::error(CodecError::kUnknown);
  return decode_any(type - kFirstType, octets, std::make_index_sequence<std::variant_size_v<Event>>());
}

std::vector<std::pair<std::string, std::string>> describe(std::uint16_t, std::string_view octets) {
  std::vector<std::pair<std::string, std::string>> rows;
  describe_into(rows, octets, "", false);
  return rows;
}

}  // namespace sekisho::trail
